import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { redisServer, startTestRedis, type TestRedis } from '../proxy/state/testing-redis.js'
import { freePort } from './servers/kafka/kafka.js'
import { openHouse, type RunningHouse } from './support/house.js'
import { send } from './support/send.js'
import { until } from './support/wait.js'

// One secret in each place where one can be, each of them refused or echoed by whoever gets it; then every byte that any process wrote.

const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** Shapes of real keys where a place has one; the rest are words that no pattern knows. */
const secrets = {
  adminSecret: 'canary-admin-7f3a9c5e1b2d4f6a8c0e',
  authorization: 'sk-canary-authorization-0123456789',
  xApiKey: 'canary-x-api-key-93b1',
  apiKey: 'canary-api-key-55d0',
  googKey: 'canary-goog-key-11aa',
  queryKey: 'canary-query-key-77ef',
  weirAuth: 'sk-weir-canary-weir-auth-42',
  weirOpenAiKey: 'canary-weir-openai-key-8e',
  cookie: 'canary-cookie-6a6a',
  fallbackKey: 'canary-fallback-key-c3',
  body: 'canary-body-said-2b',
  upstreamEcho: 'canary-upstream-echo-f0',
  configKey: 'canary-config-key-1d',
  exportHeader: 'canary-export-header-9c',
  redisPassword: 'canary-redis/pass word-4e',
  clickhousePassword: 'canary-clickhouse-a7',
  postgresPassword: 'canary-postgres-b8',
  saslPassword: 'canary-sasl-d2',
  brokenYaml: 'canary-broken-yaml-e5',
} as const

const formsOf = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
]
/** The names of the secrets that stand in a text, plain, URL-encoded or in base64. */
const found = (text: string): string[] =>
  Object.entries(secrets).flatMap(([name, secret]) => (formsOf(secret).some((form) => text.includes(form)) ? [name] : []))

/** Says back whatever it was sent, headers and all, as an error; or breaks off after it. */
const echoing = async (): Promise<{ origin: string; server: Server; seen: () => string }> => {
  let seen = ''
  const server = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      const said = `${req.url ?? ''} ${JSON.stringify(req.headers)} ${body} ${secrets.upstreamEcho}`
      seen += said
      if (body.includes('"cut"')) {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write(`data: {"error":{"message":${JSON.stringify(said)}}}\n\n`)
        return void setTimeout(() => res.destroy(), 20)
      }
      res.writeHead(401, { 'content-type': 'application/json', 'x-echo': secrets.upstreamEcho })
      res.end(JSON.stringify({ error: { message: `Incorrect API key provided: ${said}`, code: 'invalid_api_key' } }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, seen: () => seen }
}

const weirSays = (args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<string> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [weir, ...args],
      { cwd, env: { PATH: process.env.PATH, WEIR_LOG_LEVEL: 'trace', ...env }, timeout: 60_000 },
      (_, stdout, stderr) => resolve(stdout + stderr),
    )
  })

/** The same of a command that goes on, until it has said something; then it is ended. */
const saidUntil = async (
  wanted: RegExp,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<string> => {
  let said = ''
  const child = spawn(process.execPath, [weir, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const out of [child.stdout, child.stderr]) out.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = once(child, 'close')
  await until(`${args.join(' ')} to say ${wanted.source}`, () => wanted.test(said))
  child.kill('SIGTERM')
  await ended
  return said
}

test('the search finds what it looks for', () => {
  expect(found(`x ${secrets.redisPassword}`)).toEqual(['redisPassword'])
  expect(found(Buffer.from(`${secrets.body}`).toString('base64'))).toEqual(['body'])
  expect(found(encodeURIComponent(secrets.redisPassword))).toEqual(['redisPassword'])
  expect(found('nothing')).toEqual([])
})

describe.skipIf(redisServer === null)('no secret in what any process says (WEIR_TEST_REDIS is set)', () => {
  let upstream: Awaited<ReturnType<typeof echoing>>
  let redis: TestRedis
  beforeAll(async () => {
    upstream = await echoing()
    redis = await startTestRedis(redisServer ?? '')
  })
  afterAll(async () => {
    await redis?.close()
    upstream?.server.close()
  })

  const yaml = (): string => `
providers:
  openai: { origin: "${upstream.origin}" }
  anthropic: { origin: "${upstream.origin}" }
  gemini: { origin: "${upstream.origin}" }
  own: { origin: "${upstream.origin}", family: openai-chat, key: "\${OWN_KEY}" }
exports: [{ name: echo, endpoint: "${upstream.origin}/v1/traces?token=${secrets.queryKey}", headers: { authorization: "Bearer \${EXPORT_AUTH}" } }]
kafka: { sasl: { mechanism: plain, username: weir, password: ${secrets.saslPassword} } }
`
  const env = async (): Promise<Record<string, string>> => ({
    WEIR_LOG_LEVEL: 'trace',
    WEIR_ADMIN_SECRET: secrets.adminSecret,
    OWN_KEY: secrets.configKey,
    EXPORT_AUTH: secrets.exportHeader,
    // No password is asked for there: it is refused with an error that we log.
    REDIS_URL: `redis://weir:${encodeURIComponent(secrets.redisPassword)}@127.0.0.1:${redis.port}`,
    DATABASE_URL: `postgres://weir:${secrets.postgresPassword}@127.0.0.1:${await freePort()}/weir`,
    KAFKA_BROKERS: `127.0.0.1:${await freePort()}`,
  })

  const callWithAll = async ({ proxy }: Pick<RunningHouse, 'proxy'>): Promise<void> => {
    const call = async (path: string, headers: Readonly<Record<string, string>>, more: object = {}): Promise<void> => {
      const body = JSON.stringify({
        model: 'gpt-5-mini',
        max_tokens: 5,
        messages: [{ role: 'user', content: secrets.body }],
        ...more,
      })
      await send(`${proxy}${path}`, { headers: { 'content-type': 'application/json', ...headers }, body }).catch(() => undefined)
    }
    const bearer = { authorization: `Bearer ${secrets.authorization}`, cookie: `s=${secrets.cookie}` }
    await call('/openai/v1/chat/completions', bearer)
    await call('/openai/v1/chat/completions', { ...bearer, 'api-key': secrets.apiKey }, { stream: true, metadata: 'cut' })
    await call('/anthropic/v1/messages', { 'x-api-key': secrets.xApiKey, 'anthropic-version': '2023-06-01' })
    await call('/gemini/v1beta/models/gemini-3-pro:generateContent', { 'x-goog-api-key': secrets.googKey })
    await call(`/gemini/v1beta/models/gemini-3-pro:generateContent?key=${secrets.queryKey}`, {})
    await call('/own/v1/chat/completions', { 'weir-auth': `Bearer ${secrets.weirAuth}` })
    await call('/v1/chat/completions', { 'weir-openai-key': secrets.weirOpenAiKey })
    await call('/openai/v1/chat/completions', {
      ...bearer,
      'weir-fallback': `openai;key=${secrets.fallbackKey}, own`,
      'weir-nonsense': secrets.body,
    })
    await call('/openai/v1/files', bearer)
  }

  test('a house whose stores, brokers, destinations and providers all refuse it, at level trace', async () => {
    const all = await env()
    const house = await openHouse({ yaml: yaml(), env: all })
    onTestFinished(() => house.stop())
    await callWithAll(house)
    const admin = { authorization: `Bearer ${secrets.adminSecret}` }
    await fetch(`${house.web}/api/views?token=${secrets.queryKey}`, { headers: admin })
    await fetch(`${house.web}/api/health`, { headers: { authorization: `Bearer ${secrets.weirAuth}`, cookie: secrets.cookie } })
    await fetch(`${house.web}/api/sql`, {
      method: 'POST',
      headers: { ...admin, 'content-type': 'application/json' },
      body: JSON.stringify({ sql: `SELECT '${secrets.body}' FROM nowhere` }),
    })
    await until('Redis and Kafka to be complained of', () => /Redis/.test(house.stderr()) && /Kafka/.test(house.stderr()))
    // A configuration with a fault, and a secret beside it, is refused while Weir runs.
    writeFileSync(
      house.configFile,
      `${yaml()}\nkafka: { sasl: { password: "${secrets.brokenYaml}" } }\nunknown: [${secrets.brokenYaml}\n`,
    )
    await until('the fault to be told', () => /weir\.yaml/.test(house.stderr()))
    await redis.kill()
    await callWithAll(house)
    await redis.startAgain()
    expect(found(upstream.seen()).length).toBeGreaterThan(5)
    const doctor = await weirSays(
      ['doctor'],
      { ...all, WEIR_DATA: join(house.folder, 'data'), WEIR_CONFIG: house.configFile },
      house.folder,
    )
    const metrics = await (await fetch(`${house.proxy}/metrics`)).text()
    const ready = await (await fetch(`${house.proxy}/readyz`)).text()
    await house.stop()
    for (const line of house.stderr().trimEnd().split('\n')) expect(() => JSON.parse(line) as unknown, line).not.toThrow()
    expect(house.stderr().length).toBeGreaterThan(1000)
    expect({ stderr: found(house.stderr()), doctor: found(doctor), metrics: found(metrics), ready: found(ready) }).toEqual({
      stderr: [],
      doctor: [],
      metrics: [],
      ready: [],
    })
  }, 120_000)

  test('traces that are refused with an answer that repeats the key', async () => {
    const { KAFKA_BROKERS: _, ...rest } = await env()
    const house = await openHouse({ yaml: yaml(), env: rest })
    onTestFinished(() => house.stop())
    await callWithAll(house)
    const health = await until('the destination to fail', async () => {
      const text = await (
        await fetch(`${house.web}/api/health`, { headers: { authorization: `Bearer ${secrets.adminSecret}` } })
      ).text()
      return text.includes('export_failing') && text
    })
    expect(upstream.seen()).toContain(secrets.exportHeader)
    await house.stop()
    expect({ stderr: found(house.stderr()), health: found(health) }).toEqual({ stderr: [], health: [] })
  }, 120_000)

  test('starts that fail: a wrong file, stores that are none, a ClickHouse that refuses', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'weir-e2e-logs-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const file = (text: string): string => {
      const path = join(dir, 'weir.yaml')
      writeFileSync(path, text)
      return path
    }
    const base = { WEIR_DATA: join(dir, 'data'), WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_INGEST_PORT: '0' }
    const faulty = file(
      `kafka: { sasl: { mechanism: none, password: "${secrets.saslPassword}" } }\nproviders: { own: { key: "\${OWN_KEY}", origin: "ftp://u:${secrets.brokenYaml}@h" } }\n`,
    )
    for (const args of [['proxy'], ['config', '--check'], ['config', '--print'], ['doctor'], ['start', '--json']]) {
      const said = await weirSays(args, { ...base, WEIR_CONFIG: faulty, OWN_KEY: secrets.configKey }, dir)
      expect([args, said.length > 20, found(said)]).toEqual([args, true, []])
    }
    rmSync(faulty)
    for (const wrong of [
      { REDIS_URL: `http://weir:${secrets.redisPassword}@h` },
      { CLICKHOUSE_URL: `redis://weir:${secrets.clickhousePassword}@h` },
      { KAFKA_BROKERS: `weir:${secrets.saslPassword}@kafka` },
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: `nowhere:${secrets.exportHeader}@h`,
        OTEL_EXPORTER_OTLP_HEADERS: `a=${secrets.exportHeader}`,
      },
    ]) {
      const said = await weirSays(['proxy'], { ...base, ...wrong }, dir)
      expect([wrong, said.length > 20, found(said)]).toEqual([wrong, true, []])
    }
    const refusing = createServer((req, res) => {
      res.writeHead(403, { 'x-clickhouse-exception-code': '516' })
      res.end(`Code: 516. DB::Exception: weir: Authentication failed: ${JSON.stringify(req.headers)} ${req.url ?? ''}`)
    })
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void refusing.close())
    const CLICKHOUSE_URL = `http://weir:${secrets.clickhousePassword}@127.0.0.1:${(refusing.address() as AddressInfo).port}`
    for (const role of ['ingest', 'web']) {
      const said = await saidUntil(/CLICKHOUSE_URL|ClickHouse/, [role], { ...base, CLICKHOUSE_URL, WEIR_LOG_LEVEL: 'trace' }, dir)
      expect([role, said.length > 20, found(said)]).toEqual([role, true, []])
    }
    const doctor = await weirSays(['doctor'], { ...base, CLICKHOUSE_URL }, dir)
    expect([doctor.includes('516') || doctor.includes('FAIL'), found(doctor)]).toEqual([true, []])
  }, 120_000)
})
