import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { redisServer, startTestRedis, type TestRedis } from '../proxy/state/testing-redis.js'
import { startOtlpReceiver, type OtlpReceiver } from './otlp-receiver.js'
import { startClickHouse, type ClickHouse } from './servers/clickhouse/clickhouse.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { roleOf } from './support/processes.js'
import { openRole } from './support/roles.js'
import { send, type Answer } from './support/send.js'
import { openTcpRelay, type TcpRelay } from './support/tcp-relay.js'
import { degraded, goneEverywhere, readyz, toldEverywhere } from './support/told-causes.js'
import { until } from './support/wait.js'

// Every cause of core/health-causes.ts brought about for real, told in every place, and gone again (reliability.md §9);
// kafka_unreachable in kafka-access.test.ts, where a broker is late.

const call = (proxy: string, content = 'hi', model = 'gpt-5-mini'): Promise<Answer> =>
  send(`${proxy}/openai/v1/chat/completions`, {
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content }] }),
  })

/** Takes calls, and answers none of them until it is told to. */
const waiting = async (): Promise<{ origin: string; held: () => number; release: () => void; server: Server }> => {
  const open: (() => void)[] = []
  const server = createServer((req, res) => {
    req.resume()
    open.push(() => res.end('{"choices":[]}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    held: () => open.length,
    release: () => {
      for (const answer of open.splice(0)) answer()
    },
    server,
  }
}

let fake: FakeProvider
beforeAll(async () => {
  fake = await startFakeProvider()
})
afterAll(() => fake?.close())

describe.skipIf(redisServer === null)('one machine, with Redis and a destination (WEIR_TEST_REDIS is set)', () => {
  let redis: TestRedis
  let receiver: OtlpReceiver
  let slow: Awaited<ReturnType<typeof waiting>>
  let house: RunningHouse
  beforeAll(async () => {
    redis = await startTestRedis(redisServer ?? '')
    receiver = await startOtlpReceiver()
    slow = await waiting()
    house = await openHouse({
      yaml: `${providersAt(fake.origin, ['openai'])}  groq: { origin: "${slow.origin}" }
exports: [{ name: there, endpoint: "${receiver.endpoint}" }]
ceilings: { inFlight: 3 }
`,
      env: { REDIS_URL: redis.url },
    })
  })
  afterAll(async () => {
    await house?.stop()
    slow?.release()
    slow?.server.close()
    await receiver?.close()
    await redis?.close()
  })

  test('nothing is wrong: ready everywhere', async () => {
    await call(house.proxy)
    await house.caughtUp()
    for (const url of [house.proxy, house.web]) {
      expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'alive' })
      expect(await readyz(url)).toMatchObject({ code: 200, status: 'ready', causes: [] })
      expect(await degraded(url)).toEqual([])
    }
  })

  test('store_unreachable: Redis is killed', async () => {
    const env = { REDIS_URL: redis.url }
    await redis.kill()
    await toldEverywhere(house, { cause: 'store_unreachable', by: 'proxy', effect: /Redis does not answer/, env })
    expect((await readyz(house.proxy)).code).toBe(200)
    await redis.startAgain()
    await goneEverywhere(house, ['store_unreachable'], env)
  })

  test('export_failing{there}: the destination is out of order', async () => {
    receiver.answer(() => ({ kind: 'status', status: 503 }))
    await call(house.proxy)
    await toldEverywhere(house, {
      cause: 'export_failing{there}',
      by: 'hub',
      effect: /there takes nothing; it is \d+ s and \d+ bytes of the log behind\. Export failed/,
    })
    expect((await readyz(house.web)).code).toBe(200)
    receiver.answer(() => ({ kind: 'ok' }))
    await goneEverywhere(house, ['export_failing{there}'])
  })

  test('dead_letters: one that lies there, until it is taken away', async () => {
    const letter = join(house.folder, 'data', 'dlq', 'w_1-1_undecodable.dead')
    writeFileSync(letter, '{"v":1,"reason":"undecodable"}\nnothing')
    await toldEverywhere(house, { cause: 'dead_letters', by: 'hub', effect: /^1 event could not be stored and is kept .*dlq/ })
    rmSync(letter)
    await goneEverywhere(house, ['dead_letters'])
  })

  test('ingest_failing: positions cannot be written', async () => {
    const journal = join(house.folder, 'data', 'journal')
    const inTheWay = readdirSync(journal, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'consumer' && entry.name !== 'damaged')
      .map(({ name }) => join(journal, name, 'ingest.pos.draft'))
    for (const dir of inTheWay) mkdirSync(dir)
    await call(house.proxy)
    await toldEverywhere(house, { cause: 'ingest_failing', by: 'hub', effect: /positions cannot be written.*EISDIR/ })
    for (const dir of inTheWay) rmdirSync(dir)
    await goneEverywhere(house, ['ingest_failing'])
    await house.caughtUp()
  })

  test('saturated: as many calls as there is room for', async () => {
    const open = Array.from({ length: 3 }, () =>
      send(`${house.proxy}/groq/openai/v1/chat/completions`, {
        headers: { 'content-type': 'application/json', authorization: 'Bearer gsk-test' },
        body: JSON.stringify({ model: 'slow', messages: [{ role: 'user', content: 'hi' }] }),
      }),
    )
    const ended = Promise.allSettled(open)
    try {
      await until('three to be under way', () => slow.held() === 3)
      const refused = await call(house.proxy)
      expect([refused.status, refused.headers['weir-error'], refused.headers['retry-after']]).toEqual([503, 'saturated', '1'])
      await toldEverywhere(house, { cause: 'saturated', by: 'proxy', effect: /calls are in flight; the ceiling is 3/ })
      expect((await readyz(house.proxy)).code).toBe(200)
    } finally {
      slow.release()
      await ended
    }
    await goneEverywhere(house, ['saturated'])
  })

  test('proxy_unreachable: the proxy stands still; calls wait for it', async () => {
    const pid = roleOf(house.supervisor, 'proxy') ?? 0
    process.kill(pid, 'SIGSTOP')
    try {
      await until('the hub to say so', async () => (await degraded(house.web)).includes('proxy_unreachable'))
      const { code, causes } = await readyz(house.web)
      expect([code, causes.map(({ cause }) => cause)]).toEqual([200, ['proxy_unreachable']])
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await goneEverywhere(house, ['proxy_unreachable'])
  })
})

describe('a ClickHouse server behind a link that can be cut, and a small journal', () => {
  let dir: string
  let clickHouse: ClickHouse
  let link: TcpRelay
  let house: RunningHouse
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'weir-health-'))
    clickHouse = await startClickHouse(join(dir, 'clickhouse'))
    link = await openTcpRelay()
    const url = new URL(clickHouse.url)
    link.lead(Number(url.port))
    url.port = String(link.port)
    house = await openHouse({
      yaml: `${providersAt(fake.origin, ['openai'])}journal: { limit: 2MiB }\n`,
      env: { CLICKHOUSE_URL: url.href },
    })
  })
  afterAll(async () => {
    await house?.stop()
    await link?.close()
    await clickHouse?.stop()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  })

  test('analytics_unreachable, then journal_high, then journal_full: each told, all gone once the link is there', async () => {
    const env = { CLICKHOUSE_URL: clickHouse.url }
    await call(house.proxy)
    await house.caughtUp()
    link.cut()
    await call(house.proxy)
    await toldEverywhere(house, {
      cause: 'analytics_unreachable',
      by: 'hub',
      effect: /has taken nothing for \d+ s: \d+ bytes of the log wait, the oldest call of them for \d+ s|does not answer/,
      env,
    })
    expect(await readyz(house.web)).toMatchObject({ code: 503, status: 'not ready' })
    const causesOfProxy = async (): Promise<string[]> => (await readyz(house.proxy)).causes.map(({ cause }) => cause)
    await until('the journal to be high', async () => {
      await call(house.proxy, 'x'.repeat(200_000))
      return (await causesOfProxy()).includes('journal_high')
    })
    await toldEverywhere(house, {
      cause: 'journal_high',
      by: 'proxy',
      effect: /^\d+ % of the journal's limit are used, .*bodies are left out/,
      env,
    })
    expect((await readyz(house.proxy)).code).toBe(200)
    await until(
      'the journal to be full',
      async () => {
        await Promise.all(Array.from({ length: 50 }, () => call(house.proxy, 'y'.repeat(100))))
        return (await causesOfProxy()).includes('journal_full')
      },
      { timeoutMs: 90_000, everyMs: 1 },
    )
    const { headers, status } = await call(house.proxy)
    expect([status, headers['weir-warning']]).toEqual([200, expect.stringContaining('journal-full')])
    await toldEverywhere(house, { cause: 'journal_full', by: 'proxy', effect: /[1-9]\d* calls? (?:has|have) left no row/, env })
    expect((await readyz(house.proxy)).code).toBe(200)
    link.mend()
    await goneEverywhere(house, ['analytics_unreachable', 'journal_high', 'journal_full'], env)
    const text = await (await fetch(`${house.proxy}/metrics`)).text()
    expect(text).toMatch(/^weir_journal_dropped_total [1-9]\d*$/m)
  }, 240_000)
})

describe('a proxy alone', () => {
  test('not ready: draining; and a full journal where calls are to be refused then', async () => {
    const proxy = await openRole({
      role: 'proxy',
      yaml: `${providersAt(fake.origin, ['openai'])}journal: { limit: 1MiB, full: refuse }\ndrain: { delay: 3s }\n`,
    })
    onTestFinished(() => proxy.stop())
    expect((await readyz(proxy.url)).code).toBe(200)
    await until('the journal to be full', async () => {
      await Promise.all(Array.from({ length: 20 }, () => call(proxy.url, 'x'.repeat(20_000))))
      return (await readyz(proxy.url)).code === 503
    })
    const full = await readyz(proxy.url)
    expect(full).toMatchObject({ code: 503, status: 'not ready' })
    expect(full.causes.map(({ cause }) => cause)).toEqual(['journal_full'])
    expect((await call(proxy.url)).status).toBe(503)
    expect(await (await fetch(`${proxy.url}/healthz`)).json()).toEqual({ status: 'alive' })
    const stopped = proxy.stop()
    const draining = await until('it to drain', async () => {
      const found = await readyz(proxy.url)
      return found.causes[0]?.cause === 'draining' && found
    })
    expect(draining.code).toBe(503)
    expect(await degraded(proxy.url)).toContain('draining')
    await stopped
  })

  test('under auth: required figures, paths and addresses are for keys that may scrape', async () => {
    const secret = 'an-admin-secret-of-more-than-32-characters'
    const proxy = await openRole({
      role: 'proxy',
      yaml: `${providersAt(fake.origin, ['openai'])}auth: required\n`,
      env: { WEIR_ADMIN_SECRET: secret, KAFKA_BROKERS: '127.0.0.1:9' },
    })
    onTestFinished(() => proxy.stop())
    const all = await until('Kafka to be away', async () => {
      const found = await readyz(proxy.url, { authorization: `Bearer ${secret}` })
      return found.causes.length > 0 && found
    })
    expect(all).toMatchObject({
      shipping: { trouble: expect.anything() as unknown },
      journal: { bytes: expect.any(Number) as unknown },
    })
    expect(all.causes[0]?.effect).toContain('KAFKA_BROKERS')
    const bare = await readyz(proxy.url)
    expect(Object.keys(bare).sort()).toEqual(['causes', 'code', 'status'])
    expect(bare.causes).toMatchObject([
      {
        cause: 'kafka_unreachable',
        effect: 'Kafka does not answer: calls wait in the journals, and are sent and stored once it does.',
      },
    ])
    expect((await fetch(`${proxy.url}/metrics`)).status).toBe(401)
  })

  test('saturated: the event loop is held up again and again; calls are taken anew once it is not', async () => {
    const proxy = await openRole({ role: 'proxy', yaml: providersAt(fake.origin, ['openai']) })
    onTestFinished(() => proxy.stop())
    // Nothing in a process can be told to block its loop: from outside it stands still for 400 ms of every 500.
    const pulse = setInterval(() => {
      process.kill(proxy.pid, 'SIGSTOP')
      setTimeout(() => process.kill(proxy.pid, 'SIGCONT'), 400)
    }, 500)
    onTestFinished(() => clearInterval(pulse))
    const busy = await until('the loop to be told of', async () => {
      const found = await readyz(proxy.url)
      return found.causes.length > 0 && found
    })
    expect([busy.code, busy.status, busy.causes]).toMatchObject([
      200,
      'degraded',
      [{ cause: 'saturated', effect: expect.stringMatching(/event loop is late by \d+ ms/) as unknown }],
    ])
    const refused = await call(proxy.url)
    expect([refused.status, refused.headers['weir-error'], refused.headers['retry-after']]).toEqual([503, 'saturated', '1'])
    expect(await degraded(proxy.url)).toEqual(['saturated'])
    expect((await fetch(`${proxy.url}/healthz`)).status).toBe(200)
    clearInterval(pulse)
    await until('calls to be taken again', async () => (await call(proxy.url)).status === 200, {
      timeoutMs: 60_000,
      everyMs: 500,
    })
    expect(await readyz(proxy.url)).toMatchObject({ status: 'ready', causes: [] })
  })
})
