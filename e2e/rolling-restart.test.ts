import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../cli/fake-provider/server.js'
import { redisServer, startTestRedis } from '../proxy/state/testing-redis.js'
import { asker } from './support/sql.js'
import { check, lineOf } from './checker/check.js'
import { startLoad } from './checker/load.js'
import { rollupSums, rowSums, storedCalls } from './checker/stored.js'
import { startClickHouse } from './servers/clickhouse/clickhouse.js'
import { freePort, kafkaJars, startKafka } from './servers/kafka/kafka.js'
import { providersAt } from './support/house.js'
import { keepRole, type KeptRole } from './support/kept-role.js'
import { until } from './support/wait.js'

// Two proxies, ingest and web, as on several hosts, over a real Kafka and Redis: each is told to stop and comes back, one after the other,
// while a balancer sends calls to those that are ready. WEIR_SEED repeats a run.

const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))
const perSecond = 40
const secret = 'one-admin-secret-for-all-of-these-hosts'
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Takes those whose /readyz answers 200, and asks each ten times a second. */
const balance = (urls: readonly string[]) => {
  const ready = [...urls]
  const answered = new Map<string, number>()
  const look = async (url: string): Promise<void> => {
    const isReady = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) }).then(
      ({ ok }) => ok,
      () => false,
    )
    const at = ready.indexOf(url)
    if (isReady && at < 0) ready.push(url)
    // One is left in any case: calls go somewhere.
    if (!isReady && at >= 0 && ready.length > 1) ready.splice(at, 1)
    answered.set(url, isReady ? 1 : 0)
  }
  const timer = setInterval(() => void Promise.all(urls.map(look)), 100)
  return { ready, isReady: (url: string): boolean => answered.get(url) === 1, stop: () => clearInterval(timer) }
}

test.skipIf(kafkaJars === null || redisServer === null)(
  'every role is restarted under load: no call fails, each leaves exactly one row (WEIR_TEST_KAFKA and WEIR_TEST_REDIS are set)',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'weir-rolling-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
    const [kafka, redis, store, fake] = await Promise.all([
      startKafka({ dir: join(dir, 'kafka') }),
      startTestRedis(redisServer ?? ''),
      startClickHouse(join(dir, 'clickhouse')),
      startFakeProvider(),
    ])
    const roles: KeptRole[] = []
    onTestFinished(async () => {
      await Promise.all(roles.map((role) => role.stop()))
      await Promise.all([kafka.stop(), redis.close(), store.stop(), fake.close()])
    })
    const yaml = `${providersAt(fake.origin, ['openai', 'anthropic', 'gemini'])}drain: { delay: 1s }\n`
    const open = async (
      role: 'proxy' | 'ingest' | 'web',
      name: string,
      env: Readonly<Record<string, string>>,
    ): Promise<KeptRole> => {
      const opened = await keepRole({
        role,
        port: await freePort(),
        dir: join(dir, name),
        yaml,
        env: { WEIR_ADMIN_SECRET: secret, ...env },
      })
      roles.push(opened)
      return opened
    }
    const ingest = await open('ingest', 'ingest', { KAFKA_BROKERS: kafka.brokers, CLICKHOUSE_URL: store.url })
    const toKafka = { KAFKA_BROKERS: kafka.brokers, REDIS_URL: redis.url }
    const proxies = [await open('proxy', 'proxy-1', toKafka), await open('proxy', 'proxy-2', toKafka)]
    await open('web', 'web', {
      CLICKHOUSE_URL: store.url,
      WEIR_PROXIES_URLS: proxies.map(({ url }) => url).join(','),
      WEIR_INGEST_URL: ingest.url,
    })

    const balancer = balance(proxies.map(({ url }) => url))
    onTestFinished(() => balancer.stop())
    const load = startLoad({ proxy: balancer.ready, fake, perSecond, seed })
    await sleep(1500)
    for (const role of roles) {
      const before = role.pid()
      await role.end('SIGTERM')
      await until(`${role.name} to be back`, async () => (await fetch(`${role.url}/readyz`)).ok, { timeoutMs: 60_000 })
      expect(role.pid()).not.toBe(before)
      await until('the balancer to see both proxies', () => proxies.every(({ url }) => balancer.isReady(url)))
      await sleep(500)
    }
    await load.stop()

    const house = { query: asker(store.url.replace(/\/?$/, '/')) }
    const client = load.client()
    // A batch stands in the roll-ups a moment after its rows.
    const stored = async (): Promise<boolean> =>
      [await rowSums(house), ...(await rollupSums(house))].every(({ calls }) => calls >= client.length)
    await until('every call to be stored', stored, { timeoutMs: 90_000 })
    const verdicts = check({
      client,
      upstream: load.upstream(),
      rows: await storedCalls(house),
      rowSums: await rowSums(house),
      rollups: await rollupSums(house),
    })
    const crashes = roles.flatMap((role) => role.crashes())
    console.log(lineOf(verdicts, { seed, crashes: crashes.length }))
    const failed = client.filter(
      ({ end, status, refusal }) => end !== 'left' && (end !== 'whole' || status !== 200 || refusal !== ''),
    )
    expect(failed).toEqual([])
    expect([verdicts.lost, verdicts.double, verdicts.wrong, verdicts.unseen, verdicts.proxyLost, crashes]).toEqual([
      [],
      [],
      [],
      0,
      0,
      [],
    ])
    expect(verdicts.rows).toBe(client.length)
    // Every proxy took part.
    for (const { url } of proxies) expect(balancer.ready).toContain(url)
  },
  180_000,
)
