import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../../../cli/fake-provider/server.js'
import type { BreakerStore } from '../../state/breaker-store.js'
import { openMemoryBreaker } from '../../state/memory-breaker.js'
import { redisServer, startTestRedis, type TestRedis } from '../../state/testing-redis.js'
import { post, startTestProxy, type Got } from '../cache/testing.js'

// Circuits that two proxies share, and who asks for them at all.

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const toB = { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' }
const retries = { 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Num': '1', 'Weir-Retry-Min-Timeout': '1' }
const said = ({ headers }: Got): string => String(headers['weir-attempts']).replaceAll(/;ms=\d+/g, '')
const around = '"openai/gpt-4o-mini";skipped=circuit_open, "groq/llama-3.3-70b";status=200'
const straight = '"openai/gpt-4o-mini";status=200'
const failing = (times: number): string[] => Array.from({ length: times }, () => 'status=500')

const providers = async () => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  onTestFinished(() => a.close())
  onTestFinished(() => b.close())
  return { a, b, yaml: `  groq: { origin: "${b.origin}" }\n` }
}

test('only a call that names several targets asks for their circuits, and only a half-open one is asked for', async () => {
  const { a, yaml } = await providers()
  let now = 1_000_000
  const store = openMemoryBreaker(() => now)
  const asked: string[] = []
  const breaker: BreakerStore = {
    ...store,
    look: (...args) => {
      asked.push('look')
      return store.look(...args)
    },
    probe: (...args) => {
      asked.push('probe')
      return store.probe(...args)
    },
  }
  const { port } = await startTestProxy(a.origin, { yaml, breaker, random: () => 0 })
  await post(port, { body })
  a.plan('status=500')
  await post(port, { body, headers: retries })
  await post(port, { body, headers: { 'Weir-Fallback': 'mistral/m' } })
  expect(asked).toEqual([])
  a.plan(...failing(5))
  for (let i = 0; i < 5; i++) await post(port, { body, headers: toB })
  expect(asked).toEqual(Array.from({ length: 5 }, () => 'look'))
  now += 30_000
  await post(port, { body, headers: toB })
  expect(asked.slice(5)).toEqual(['look', 'probe'])
})

describe.skipIf(redisServer === null)('two proxies on one Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startTestRedis(redisServer ?? '')
  })
  afterAll(async () => redis?.close())

  const metricOf = async (port: number, name: string): Promise<string | undefined> =>
    (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n').find((line) => line.startsWith(name))
  const causesOf = async (port: number): Promise<readonly string[]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect(answer.status).toBe(200)
    return ((await answer.json()) as { causes: { cause: string }[] }).causes.map(({ cause }) => cause)
  }

  test('case 40 through two: what one found out the other goes by; Redis away: each by itself, and it says so; back: together again', async () => {
    const { a, yaml } = await providers()
    const env = { REDIS_URL: redis.url }
    const [one, two] = [await startTestProxy(a.origin, { yaml, env }), await startTestProxy(a.origin, { yaml, env })]
    const [ask, other] = [one, two].map(
      ({ port }) =>
        (headers: Record<string, string> = toB, key = 'sk-one') =>
          post(port, { body, headers: { ...headers, authorization: `Bearer ${key}` } }),
    ) as [
      (headers?: Record<string, string>, key?: string) => Promise<Got>,
      (headers?: Record<string, string>, key?: string) => Promise<Got>,
    ]
    a.plan(...failing(5))
    for (let i = 0; i < 5; i++) await (i % 2 === 0 ? ask : other)()
    // On a machine that is busy, one that did not hear from Redis in time goes by what it saw itself, that once.
    await expect.poll(() => ask().then(said)).toBe(around)
    await expect.poll(() => other().then(said)).toBe(around)
    const metric = 'weir_circuit_state{provider="openai",model="gpt-4o-mini",state="open"} 1'
    await expect.poll(() => metricOf(two.port, 'weir_circuit_state{')).toBe(metric)
    // Another key is another circuit.
    expect(said(await other(toB, 'sk-two'))).toBe(straight)
    // Nothing that a caller wrote stands in Redis.
    const look = new Redis(redis.url)
    const keys = await look.keys('*')
    look.disconnect()
    expect(keys.filter((key) => key.startsWith('weir:circuit:{default}:'))).not.toEqual([])
    expect(keys.join()).not.toMatch(/gpt-4o|openai|sk-/)

    await redis.kill()
    await expect.poll(() => causesOf(one.port)).toEqual(['store_unreachable'])
    expect(await metricOf(one.port, 'weir_degraded{cause="store_unreachable"}')).toMatch(/ 1$/)
    // What it saw itself were three failures; the other two it had from Redis.
    expect(said(await ask())).toBe(straight)
    a.plan(...failing(5))
    for (let i = 0; i < 5; i++) await ask(toB, 'sk-three')
    expect(said(await ask(toB, 'sk-three'))).toBe(around)
    expect(said(await other(toB, 'sk-three'))).toBe(straight)

    await redis.startAgain()
    for (const { port } of [one, two]) await expect.poll(() => causesOf(port)).toEqual([])
    expect(await metricOf(one.port, 'weir_degraded{cause="store_unreachable"}')).toMatch(/ 0$/)
    a.plan(...failing(5))
    for (let i = 0; i < 5; i++) await ask(toB, 'sk-four')
    await expect.poll(() => other(toB, 'sk-four').then(said)).toBe(around)
  })

  test('a call that asks for nothing asks Redis nothing', async () => {
    const { a, yaml } = await providers()
    const { port } = await startTestProxy(a.origin, { yaml, env: { REDIS_URL: redis.url } })
    const look = new Redis(redis.url)
    onTestFinished(() => look.disconnect())
    const scripts = async (): Promise<number> =>
      [...(await look.info('commandstats')).matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].reduce(
        (sum, [, n]) => sum + Number(n),
        0,
      )
    const before = await scripts()
    for (let i = 0; i < 5; i++) await post(port, { body })
    expect(await scripts()).toBe(before)
    await post(port, { body, headers: toB })
    await expect.poll(scripts).toBeGreaterThanOrEqual(before + 2)
  })
})
