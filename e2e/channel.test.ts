import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { keyDigest } from '../core/weir-keys.js'
import { redisServer, startTestRedis, type TestRedis } from '../proxy/state/testing-redis.js'
import type { Exports, Health, RepriceJob } from '../web/api/contract.js'
import { startClickHouse, type ClickHouse } from './servers/clickhouse/clickhouse.js'
import { freePort } from './servers/kafka/kafka.js'
import { openHouse, providersAt } from './support/house.js'
import { keepRole, type KeptRole } from './support/kept-role.js'
import { jsonHeaders, send, type Answer } from './support/send.js'
import { readyz } from './support/told-causes.js'
import { until } from './support/wait.js'

// The roles as on several hosts: each with a folder and a weir.yaml of its own, one secret, one Redis, one ClickHouse.

const secret = 'one-admin-secret-for-all-of-these-hosts'
const bearer = { authorization: `Bearer ${secret}` }
const line = (name: string): string => `{ name: ${name}, sha256: "${keyDigest(keyNamed(name))}" }`
const keyNamed = (name: string): string => `sk-weir-${name}-0123456789`
const keys = (...names: readonly string[]): string => `auth: required\nkeys: [${names.map(line).join(', ')}]\n`
const chat = (content = 'Hello'): string => JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content }] })

const call = ({ url }: { readonly url: string }, key: string, headers: Readonly<Record<string, string>> = {}, body = chat()) =>
  send(`${url}/openai/v1/chat/completions`, {
    headers: { ...jsonHeaders, 'weir-auth': `Bearer ${keyNamed(key)}`, authorization: 'Bearer sk-one', ...headers },
    body,
  })
const status = (answer: Promise<Answer>): Promise<number> => answer.then((told) => told.status)

describe.skipIf(redisServer === null)('roles on several hosts (WEIR_TEST_REDIS is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-channel-'))
  let redis: TestRedis
  let fake: FakeProvider
  let store: ClickHouse
  let proxies: readonly [KeptRole, KeptRole]
  let ingest: KeptRole
  let web: KeptRole
  let ownFile = ''

  beforeAll(async () => {
    ;[redis, fake, store] = await Promise.all([
      startTestRedis(redisServer ?? ''),
      startFakeProvider(),
      startClickHouse(join(dir, 'clickhouse')),
    ])
    ownFile = `${providersAt(fake.origin, ['openai'])}${keys('first')}`
    const proxy = async (n: number, more: string): Promise<KeptRole> =>
      keepRole({
        role: 'proxy',
        port: await freePort(),
        dir: join(dir, `proxy-${n}`),
        yaml: `${ownFile}${more}`,
        env: { WEIR_ADMIN_SECRET: secret, REDIS_URL: redis.url },
      })
    proxies = [await proxy(1, ''), await proxy(2, 'control: { maxAge: 4s }\n')]
    const shared = { WEIR_ADMIN_SECRET: secret, CLICKHOUSE_URL: store.url }
    ingest = await keepRole({
      role: 'ingest',
      port: await freePort(),
      dir: join(dir, 'ingest'),
      yaml: 'exports: [{ name: nowhere, endpoint: "http://127.0.0.1:9/v1/traces" }]\n',
      env: shared,
    })
    web = await keepRole({
      role: 'web',
      port: await freePort(),
      dir: join(dir, 'web'),
      yaml: ownFile,
      env: { ...shared, WEIR_PROXIES_URLS: proxies.map(({ url }) => url).join(','), WEIR_INGEST_URL: ingest.url },
    })
  }, 120_000)
  afterAll(async () => {
    await Promise.all([web, ingest, ...(proxies ?? [])].map((role) => role?.stop()))
    await Promise.all([redis?.close(), fake?.close(), store?.stop()])
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }, 60_000)

  const api = async <T>(path: string, method = 'GET', body?: object): Promise<{ status: number; told: T }> => {
    const answer = await fetch(`${web.url}${path}`, {
      method,
      headers: { ...bearer, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, told: (await answer.json()) as T }
  }
  const health = async (): Promise<Health> => (await api<Health>('/api/health')).told
  /** What web's weir.yaml says from now on. */
  const say = (...names: readonly string[]): void =>
    writeFileSync(web.configFile, `${providersAt(fake.origin, ['openai'])}${keys(...names)}`)

  test('nobody without the secret learns that there is a channel', async () => {
    const routes = ['GET /internal/facts', 'POST /internal/beat', 'PUT /internal/snapshot', 'POST /internal/cache/purge']
    const ask = async (url: string, route: string, headers: Readonly<Record<string, string>>): Promise<unknown[]> => {
      const [method = '', path = ''] = route.split(' ')
      const answer = await fetch(`${url}${path}`, { method, headers, ...(method === 'GET' ? {} : { body: '{}' }) })
      const told = (await answer.text()).replaceAll(/[0-9a-f-]{36}|facts|beat|snapshot|cache\/purge|no-such/g, '…')
      return [answer.status, told]
    }
    for (const { url } of [...proxies, ingest, web])
      for (const route of routes) {
        const [method = ''] = route.split(' ')
        const nothing = await ask(url, `${method} /internal/no-such`, {})
        expect(nothing[0]).toBe(404)
        for (const headers of [{}, { authorization: `Bearer ${secret}x` }, { ...bearer, origin: 'http://evil.example' }])
          expect(await ask(url, route, headers), `${url} ${route}`).toEqual(
            'origin' in headers ? await ask(url, `${method} /internal/no-such`, headers) : nothing,
          )
      }
    const facts = await fetch(`${proxies[0].url}/internal/facts`, { headers: bearer })
    expect([facts.status, await facts.json()]).toMatchObject([200, { inFlight: 0, limits: { store: 'redis' } }])
    const { told } = await api<{ paths: object }>('/api/openapi.json')
    expect(Object.keys(told.paths).filter((path) => path.includes('internal'))).toEqual([])
  })

  test("a key in web's weir.yaml is let in at every proxy, and one taken away there is refused", async () => {
    for (const proxy of proxies) expect(await status(call(proxy, 'first'))).toBe(200)
    say('second')
    for (const proxy of proxies) {
      await until('the second key to be let in', async () => (await status(call(proxy, 'second'))) === 200)
      expect(await status(call(proxy, 'first'))).toBe(401)
      expect(statSync(join(proxy.dataDir, 'state', 'control.json')).mode & 0o777).toBe(0o600)
    }
  })

  test('a proxy without a control plane starts with what it knew last: a key that was taken away does not come back', async () => {
    const release = web.hold()
    await web.end('SIGKILL')
    await proxies[0].end('SIGKILL')
    await until('the proxy to be back', async () => (await readyz(proxies[0].url)).code === 200)
    expect([await status(call(proxies[0], 'second')), await status(call(proxies[0], 'first'))]).toEqual([200, 401])
    // The other one was told not to go on for longer than 4 s without.
    const late = await until('control.maxAge to pass', async () => {
      const answer = await call(proxies[1], 'second')
      return answer.status === 503 && answer
    })
    expect(late.headers).toMatchObject({ 'weir-error': 'control_stale', 'retry-after': '1' })
    const { code, causes } = await readyz(proxies[1].url, bearer)
    expect([code, causes.map(({ cause }) => cause)]).toEqual([503, ['control_stale']])
    expect(causes[0]?.effect).toContain('control.maxAge allows 4 s')
    release()
    await until('the proxy to be told again', async () => (await status(call(proxies[1], 'second'))) === 200)
    expect((await readyz(proxies[1].url)).code).toBe(200)
  })

  test('the health of each proxy is told by its name, and of ingest; one that is away by its URL', async () => {
    const {
      proxies: told,
      causes,
      ingest: figures,
    } = await until('all to be known', async () => {
      const found = await health()
      return found.proxies.every(({ answers, control }) => answers && control?.digest !== null) && found
    })
    expect(told.map(({ url }) => url)).toEqual(proxies.map(({ url }) => url))
    expect(told.map(({ name }) => new URL(`http://${name}`).port)).toEqual(proxies.map(({ url }) => new URL(url).port))
    expect(new Set(told.map(({ control }) => control?.digest)).size).toBe(1)
    expect(causes.filter(({ cause }) => cause.includes('unreachable'))).toEqual([])
    expect(figures).toEqual({ lagSeconds: 0, lagBytes: 0, events: 0, deadLetters: 0 })
    const { told: exported } = await api<Exports>('/api/exports')
    expect(exported.destinations.map(({ name, endpoint }) => [name, endpoint])).toEqual([
      ['nowhere', 'http://127.0.0.1:9/v1/traces'],
    ])

    const releases = [proxies[1].hold(), ingest.hold()]
    await Promise.all([proxies[1].end('SIGKILL'), ingest.end('SIGKILL')])
    const without = await health()
    expect(without.proxies.map(({ answers }) => answers)).toEqual([true, false])
    const unreachable = without.causes.filter(({ cause }) => cause.includes('unreachable'))
    expect(unreachable.map(({ cause }) => cause)).toEqual(['proxy_unreachable', 'ingest_unreachable'])
    expect(unreachable[0]?.effect).toContain(proxies[1].url)
    expect(unreachable[1]?.effect).toContain(ingest.url)
    expect(without.ingest).toBeNull()
    expect((await api<{ code: string }>('/api/exports')).told.code).toBe('ingest_unreachable')
    for (const release of releases) release()
    await until('both to be back', async () => {
      const { causes: left } = await health()
      return !left.some(({ cause }) => cause.includes('unreachable'))
    })
  })

  test('a re-pricing that web is asked for is done by ingest', async () => {
    const period = { from: '2026-11-01T00:00:00.000Z', to: '2026-11-02T00:00:00.000Z' }
    const begun = await until('ingest to take it', async () => {
      const { status: code, told } = await api<RepriceJob>('/api/reprice', 'POST', { ...period, dryRun: true })
      return code === 200 && told
    })
    const done = await until('it to be done', async () => {
      const { told } = await api<RepriceJob>(`/api/reprice/${begun.id}`)
      return told.state === 'done' && told
    })
    expect(done).toMatchObject({ ...period, dryRun: true, calls: 0, changed: 0 })
    expect((await api<{ code: string }>('/api/reprice/00000000-0000-4000-8000-000000000000')).told.code).toBe('unknown_job')
  })

  test('a purge forgets the answers of the tenant at all proxies', async () => {
    const cached = { 'weir-cache-enabled': 'true' }
    const ask = async (proxy: KeptRole): Promise<unknown> =>
      (await call(proxy, 'second', cached, chat('Keep this'))).headers['weir-cache']
    expect(await ask(proxies[0])).toBe('MISS')
    await until('the other to have it', async () => (await ask(proxies[1])) === 'HIT')
    const { status: code, told } = await api<{ removed: number }>('/api/cache/purge', 'POST', {})
    expect([code, told.removed]).toEqual([200, 1])
    expect(await ask(proxies[1])).toBe('MISS')
  })

  test('no role said the secret, a key, or anything it should be ashamed of', () => {
    const said = [...proxies, ingest, web].map((role) => role.said()).join('\n')
    expect(said).not.toContain(secret)
    expect(said).not.toContain('sk-weir-')
    expect(said).not.toMatch(/Uncaught|failed inside/)
  })
})

describe.skipIf(redisServer === null)('weir start with WEIR_PROXIES=2 (WEIR_TEST_REDIS is set)', () => {
  test('two proxies on ports of their own, limits exact, one weir.yaml, back where they were, every call stored', async () => {
    const redis = await startTestRedis(redisServer ?? '')
    const fake = await startFakeProvider()
    const yaml = (...names: readonly string[]): string => `${providersAt(fake.origin, ['openai'])}${keys(...names)}`
    const house = await openHouse({ yaml: yaml('first'), env: { WEIR_PROXIES: '2', REDIS_URL: redis.url } })
    onTestFinished(async () => {
      await house.stop()
      await fake.close()
      await redis.close()
    })
    const health = async (): Promise<Health> =>
      (await (
        await fetch(`${house.web}/api/health`, { headers: { authorization: `Bearer ${keyNamed('reader')}` } })
      ).json()) as Health
    const reader = `{ name: reader, sha256: "${keyDigest(keyNamed('reader'))}", scopes: [read-metrics, sql] }`
    const withReader = (text: string): string => text.replace('keys: [', `keys: [${reader}, `)
    writeFileSync(house.configFile, withReader(yaml('first')))
    const told = await until('both proxies to be told of', async () => {
      const { proxies } = await health()
      return proxies.length === 2 && proxies.every(({ answers, control }) => answers && control?.digest !== null) && proxies
    })
    const urls = told.map(({ url }) => ({ url }))
    expect(urls[0]?.url).toBe(house.proxy)
    expect(new Set(urls.map(({ url }) => url)).size).toBe(2)

    const limited = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        call(urls[i % 2] ?? { url: '' }, 'first', { 'weir-ratelimit-policy': '10;w=31536000', 'weir-property-run': 'limited' }),
      ),
    )
    const enforced = limited.filter(({ headers }) => headers['weir-ratelimit-error'] === undefined)
    expect(enforced.filter(({ status: code }) => code === 200).length).toBeLessThanOrEqual(10)
    expect(limited.filter(({ status: code }) => code === 429).length).toBeGreaterThan(0)

    // Whoever is killed comes back on its own port; the other goes on.
    process.kill(house.pids.proxy, 'SIGKILL')
    expect(await status(call(urls[1] ?? { url: '' }, 'first'))).toBe(200)
    await until('the first proxy to be back', async () => (await readyz(house.proxy)).code === 200)
    for (const url of urls) expect(await status(call(url, 'first'))).toBe(200)

    // Both read the file themselves.
    writeFileSync(house.configFile, withReader(yaml('second')))
    for (const url of urls) {
      await until('the second key to be let in', async () => (await status(call(url, 'second'))) === 200)
      expect(await status(call(url, 'first'))).toBe(401)
    }
    const ids = limited.map(({ id }) => id)
    const rows = await until('every call to be stored', async () => {
      const answer = await fetch(`${house.web}/api/sql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${keyNamed('reader')}` },
        body: JSON.stringify({ sql: `SELECT toString(request_id) FROM requests WHERE properties['run'] = 'limited'` }),
      })
      const { rows: found } = (await answer.json()) as { rows: readonly (readonly [id: string])[] }
      return found.length >= ids.length && found
    })
    expect(rows.map(([id]) => id).sort()).toEqual([...ids].sort())
    expect(house.stderr()).not.toMatch(/Uncaught/)
  })
})
