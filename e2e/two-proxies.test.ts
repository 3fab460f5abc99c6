import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { redisServer, startTestRedis, type TestRedis } from '../proxy/state/testing-redis.js'
import { providersAt } from './support/house.js'
import { openProxy, type RunningProxy } from './support/proxies.js'
import { jsonHeaders, send, type Answer } from './support/send.js'
import { until } from './support/wait.js'

// Two `weir proxy`, each with a data folder of its own, as on two hosts; one Redis.

const year = 31_536_000
const chat = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }], ...more })
const sum = (counts: readonly number[]): Readonly<Record<number, number>> =>
  counts.reduce<Record<number, number>>((all, each) => ({ ...all, [each]: (all[each] ?? 0) + 1 }), {})

describe.skipIf(redisServer === null)('two proxies, one Redis (WEIR_TEST_REDIS is set)', () => {
  let redis: TestRedis
  let fake: FakeProvider
  let proxies: readonly [RunningProxy, RunningProxy]
  beforeAll(async () => {
    redis = await startTestRedis(redisServer ?? '')
    fake = await startFakeProvider()
    const open = (): Promise<RunningProxy> =>
      openProxy({ yaml: providersAt(fake.origin, ['openai']), env: { REDIS_URL: redis.url } })
    proxies = await Promise.all([open(), open()])
  })
  afterAll(async () => {
    for (const proxy of proxies ?? []) await proxy.stop()
    await redis?.close()
    await fake?.close()
  })

  const call = (i: number, headers: Readonly<Record<string, string>>, body = chat()): Promise<Answer> =>
    send(`${(proxies[i % 2] as RunningProxy).url}/openai/v1/chat/completions`, {
      headers: { ...jsonHeaders, authorization: 'Bearer sk-one', ...headers },
      body,
    })

  /** On a machine so busy that Redis has no turn for 20 ms calls pass, and say so. What they took is given back, to nobody who still asks. */
  const isEnforced = ({ headers }: Answer): boolean => headers['weir-ratelimit-error'] === undefined

  test.each([
    ['whole tenant', `100;w=${year}`],
    ['key', `100;w=${year - 1};s=@key`],
    ['user', `100;w=${year};s=user`],
  ])('1,000 at once against a hundred, by %s: exactly a hundred pass', async (_, policy) => {
    const before = fake.total()
    const all = await Promise.all(
      Array.from({ length: 1000 }, (__, i) => call(i, { 'weir-ratelimit-policy': policy, 'weir-user-id': 'ada' })),
    )
    const enforced = sum(all.filter(isEnforced).map(({ status }) => status))
    const unlimited = all.filter((answer) => !isEnforced(answer)).length
    console.log(`${policy}: ${JSON.stringify(enforced)}, ${unlimited} without an answer of Redis in time`)
    if (unlimited === 0) expect(enforced).toEqual({ 200: 100, 429: 900 })
    else expect(enforced[200]).toBeLessThanOrEqual(100)
    expect(fake.total() - before).toBe((enforced[200] ?? 0) + unlimited)
  })

  test('what one keeps is a hit at the other, byte for byte', async () => {
    for (const [n, more] of [{}, { stream: true }].entries()) {
      const body = chat({ ...more, seed: 4000 + n })
      const miss = await call(0, { 'weir-cache-enabled': 'true' }, body)
      const hit = await until('the other proxy to have it', async () => {
        const answer = await call(1, { 'weir-cache-enabled': 'true' }, body)
        return answer.headers['weir-cache'] === 'HIT' && answer
      })
      expect(miss.headers['weir-cache']).toBe('MISS')
      expect(hit.headers['weir-cache-id']).toBe(miss.id)
      expect(hit.bytes.equals(miss.bytes)).toBe(true)
    }
  })
})
