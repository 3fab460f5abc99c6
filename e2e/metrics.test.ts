import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { metrics, type MetricRole, type MetricRule } from '../core/metrics.js'
import { redisServer, startTestRedis, type TestRedis } from '../proxy/state/testing-redis.js'
import { startOtlpReceiver, type OtlpReceiver } from './otlp-receiver.js'
import { freePort } from './servers/kafka/kafka.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { lint, promtool } from './support/promtool.js'
import { openRole, type RunningRole } from './support/roles.js'
import { send } from './support/send.js'
import { until } from './support/wait.js'

// What /metrics of every role says: the table of the code, by Prometheus' rules, and few series whatever callers send.

const rules: Readonly<Record<string, MetricRule>> = metrics
const namesOf = (roles: readonly MetricRole[]): string[] =>
  Object.keys(rules).filter((name) => rules[name]?.roles.some((role) => roles.includes(role)))

/** Names, types and helps of an answer. */
const told = (text: string): Map<string, { type: string; help: string }> => {
  const helps = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', help = '']) => [name, help]))
  return new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, { type, help: helps.get(name) ?? '' }]),
  )
}
const scrape = async (url: string): Promise<string> => {
  const answer = await fetch(`${url}/metrics`)
  expect([url, answer.status]).toEqual([url, 200])
  expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  return await answer.text()
}
const valueOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length + 1) ?? Number.NaN,
  )

const hostile = (n: number): string => `m${n}"}\n\\ weir_forged_total 1\n{${'y'.repeat(n)}`

describe.skipIf(redisServer === null)('/metrics (WEIR_TEST_REDIS is set)', () => {
  let fake: FakeProvider
  let receiver: OtlpReceiver
  let redis: TestRedis
  let small: RunningHouse
  let scaled: RunningHouse
  let alone: RunningRole[]
  beforeAll(async () => {
    fake = await startFakeProvider()
    receiver = await startOtlpReceiver()
    redis = await startTestRedis(redisServer ?? '')
    const yaml = `${providersAt(fake.origin, ['openai'])}exports: [{ name: there, endpoint: "${receiver.endpoint}" }]\n`
    small = await openHouse({ yaml })
    scaled = await openHouse({ yaml, env: { REDIS_URL: redis.url, KAFKA_BROKERS: `127.0.0.1:${await freePort()}` } })
    alone = await Promise.all([openRole({ role: 'ingest', yaml }), openRole({ role: 'web' })])
    const call = (body: object, headers: Readonly<Record<string, string>> = {}, path = '/openai/v1/chat/completions') =>
      send(`${small.proxy}${path}`, {
        headers: {
          'content-type': 'application/json',
          authorization: 'Bearer sk-caller',
          'weir-user-id': 'ada@example',
          ...headers,
        },
        body: JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], ...body }),
      })
    for (const headers of [{}, { 'weir-cache-enabled': 'true', 'weir-session-id': 'session-4711' }])
      for (const stream of [false, true]) await call({ model: 'gpt-5-mini', stream }, headers)
    await call({ model: 'gpt-5-mini' }, { 'weir-nonsense': '1' })
    await call({ model: 'gpt-5-mini' }, {}, '/nowhere/at/all')
    for (let n = 0; n < 1000; n += 20)
      await Promise.all(Array.from({ length: 20 }, (_, i) => call({ model: hostile(n + i) }).catch(() => undefined)))
    await small.caughtUp()
  })
  afterAll(async () => {
    await Promise.all([small?.stop(), scaled?.stop(), ...(alone ?? []).map((role) => role.stop())])
    await redis?.close()
    await receiver?.close()
    await fake?.close()
  })

  const answers = async (): Promise<{ text: string; name: string; roles: readonly MetricRole[] }[]> =>
    await Promise.all(
      (
        [
          ['proxy', small.proxy, ['proxy']],
          ['proxy with Redis and Kafka', scaled.proxy, ['proxy']],
          ['hub', small.web, ['ingest', 'web']],
          ['hub with Kafka', scaled.web, ['ingest', 'web']],
          ['ingest', alone[0]?.url ?? '', ['ingest']],
          ['web', alone[1]?.url ?? '', ['web']],
        ] as const
      ).map(async ([name, url, roles]) => ({ name, roles, text: await scrape(url) })),
    )

  test('is the table, both ways: name, type, help', async () => {
    const seen = new Set<string>()
    for (const { name: where, text, roles } of await answers()) {
      const mine = new Set(namesOf(roles))
      for (const [name, { type, help }] of told(text)) {
        expect([where, name, mine.has(name)]).toEqual([where, name, true])
        expect([name, type, help]).toEqual([name, rules[name]?.type, rules[name]?.help])
        seen.add(name)
      }
      // What is not told everywhere says where.
      for (const name of mine)
        if (rules[name]?.only === undefined) expect([where, name, told(text).has(name)]).toEqual([where, name, true])
    }
    expect([...seen].sort()).toEqual(Object.keys(rules).sort())
  })

  test('labels are those of the table, and none names a caller', async () => {
    for (const { text } of await answers()) {
      for (const [, series = '', labels = ''] of text.matchAll(/^([a-z_0-9]+)\{(.*)\} [^ ]+$/gm)) {
        const rule = rules[series] ?? rules[series.replace(/_(?:bucket|sum|count)$/, '')]
        const names = [...labels.matchAll(/(?:^|,)([a-z_0-9]+)="/g)].map(([, name = '']) => name)
        for (const name of names) expect([series, ...(rule?.labels ?? []), 'le']).toContain(name)
      }
      expect(text).not.toMatch(/ada@example|session-4711|sk-caller|"default"/)
    }
  })

  test('1,000 models with names of the worst kind are few series, and forge none', async () => {
    for (const { text } of await answers()) {
      expect(text).not.toMatch(/^weir_forged/m)
      expect(text.split('\n').length).toBeLessThan(30_000)
    }
    const text = await scrape(small.proxy)
    const series = text.split('\n').filter((line) => line.startsWith('weir_requests_total{'))
    expect(series.length).toBeGreaterThan(100)
    expect(series.length).toBeLessThan(300)
    expect(text).toMatch(/^weir_requests_total\{provider="openai",model="_other",outcome="complete",error_kind=""\} \d{3}$/m)
  })

  test('figures are those of what happened', async () => {
    const [proxy, hub] = [await scrape(small.proxy), await scrape(small.web)]
    expect(valueOf(proxy, 'weir_errors_total{code="unknown_header"}')).toBe(1)
    expect(valueOf(proxy, 'weir_unknown_path_total')).toBe(1)
    expect(valueOf(proxy, 'weir_cache_requests_total{result="miss"}')).toBe(2)
    expect(valueOf(proxy, 'weir_cache_bytes')).toBeGreaterThan(1000)
    expect(valueOf(proxy, 'weir_in_flight')).toBe(0)
    expect(valueOf(proxy, 'weir_in_flight_limit')).toBeGreaterThan(63)
    expect(valueOf(proxy, 'weir_journal_append_seconds_count')).toBeGreaterThan(10)
    expect(valueOf(proxy, 'weir_journal_sync_seconds_count')).toBeGreaterThan(0)
    expect(valueOf(proxy, 'weir_journal_bytes')).toBeGreaterThan(1000)
    // 4 calls, a refused one, 1,000 models; what leads nowhere leaves no row.
    expect(valueOf(hub, 'weir_ingest_events_total')).toBe(1005)
    expect(valueOf(hub, 'weir_ingest_lag_seconds')).toBe(0)
    await until(
      'all to be exported',
      async () => valueOf(await scrape(small.web), 'weir_export_lag_bytes{destination="there"}') === 0,
    )
    expect(valueOf(await scrape(small.web), 'weir_export_sent_total{destination="there"}')).toBeGreaterThan(1005)
    const away = await until('the shipper to say what waits', async () => {
      const text = await scrape(scaled.proxy)
      return text.includes('weir_degraded{cause="kafka_unreachable"} 1') && text
    })
    expect(valueOf(away, 'weir_ship_lag_seconds')).toBeGreaterThanOrEqual(0)
    expect(valueOf(away, 'weir_redis_failures_total{reason="late"}')).toBeGreaterThanOrEqual(0)
    expect(valueOf(proxy, 'process_open_fds')).toBeGreaterThan(10)
    expect(proxy).toMatch(/^weir_build_info\{version="[^"]+",role="proxy"\} 1$/m)
  })

  test.skipIf(promtool === null)('promtool finds nothing in what any role says (WEIR_TEST_PROMTOOL is set)', async () => {
    for (const { name, text } of await answers()) expect([name, lint(text)]).toEqual([name, []])
    expect(lint('# TYPE weir_bad_total gauge\nweir_bad_total 1\n').length).toBeGreaterThan(0)
  })
})
