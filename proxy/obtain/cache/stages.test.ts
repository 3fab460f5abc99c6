import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { post, startTestProxy, type Got, type Sent, type TestProxy } from './testing.js'

// The cache before the stages behind it: limits, other targets, retries.

const fakeProvider = async (): Promise<FakeProvider> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  return fake
}
interface House {
  readonly a: FakeProvider
  readonly b: FakeProvider
  readonly proxy: TestProxy
  readonly call: (sent: Partial<Sent>) => Promise<Got>
}
const body = JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }] })
const house = async (): Promise<House> => {
  const [a, b] = [await fakeProvider(), await fakeProvider()]
  const proxy = await startTestProxy(a.origin, { yaml: `  groq: { origin: "${b.origin}" }\n` })
  return { a, b, proxy, call: (sent) => post(proxy.port, { body, ...sent }) }
}
const on = { 'weir-cache-enabled': 'true' }
const status = ({ headers }: Got): unknown => headers['weir-cache']

test('52 a hit is free of limits: the bucket is empty, and the answer is there', async () => {
  const { a, call } = await house()
  const headers = { ...on, 'weir-ratelimit-policy': '1;w=3600' }
  expect(status(await call({ headers }))).toBe('MISS')
  expect((await call({ headers: { ...headers, 'weir-cache-enabled': 'false' } })).status).toBe(429)
  const hit = await call({ headers })
  expect([hit.status, status(hit), a.total()]).toEqual([200, 'HIT', 1])
})

test('who is refused by a limit leaves its place to the next', async () => {
  const { a, call } = await house()
  const refused = { ...on, 'weir-ratelimit-policy': '1;w=3600;name=x' }
  await call({ headers: { ...refused, 'weir-cache-enabled': 'false' } })
  expect((await call({ headers: refused })).status).toBe(429)
  expect(status(await call({ headers: on }))).toBe('MISS')
  expect(status(await call({ headers: refused }))).toBe('HIT')
  expect(a.total()).toBe(2)
})

test('a retried answer is kept', async () => {
  const { a, proxy, call } = await house()
  a.plan('status=500', '')
  const first = await call({ headers: { ...on, 'weir-retry-enabled': 'true', 'weir-retry-min-timeout': '1' } })
  const hit = await call({ headers: on })
  expect([first.status, status(first), status(hit), a.total()]).toEqual([200, 'MISS', 'HIT', 2])
  expect(hit.bytes).toEqual(first.bytes)
  expect((await proxy.end(hit.id)).attempts).toEqual([])
})

describe('other targets', () => {
  const fallback = { 'weir-fallback': 'groq/llama-3.3-70b-versatile', 'weir-groq-key': 'gk' }

  test('the answer of a later one is not what was asked for: it is not kept, nor given to those who wait', async () => {
    const { a, b, call } = await house()
    const list = JSON.stringify([{ target: 'openai' }, { target: 'groq/llama-3', headers: { authorization: 'Bearer gk' } }])
    // The fault is for the first alone: the second has headers of its own.
    const sent = { headers: { ...on, 'weir-fallbacks': list, 'x-fake': 'status=500;delay=60' } }
    const leader = call(sent)
    await expect.poll(() => a.total()).toBe(1)
    const answers = await Promise.all([leader, call(sent), call(sent)])
    for (const got of answers)
      expect([got.status, status(got), got.headers['weir-provider'], got.headers['weir-fallback-index']]).toEqual([
        200,
        'MISS',
        'groq',
        '1',
      ])
    expect(new Set(answers.map(({ bytes }) => bytes.toString())).size).toBe(3)
    expect([a.total(), b.total()]).toEqual([3, 3])
    expect(status(await call({ headers: { ...on, 'weir-fallbacks': list } }))).toBe('MISS')
  })

  test('the answer of the first is kept for whoever asks it first, whatever comes behind it', async () => {
    const { call } = await house()
    expect(status(await call({ headers: { ...on, ...fallback } }))).toBe('MISS')
    const hit = await call({ headers: on })
    expect([status(hit), hit.headers['weir-provider']]).toEqual(['HIT', 'openai'])
  })

  test('the whole list: its first entry is what is asked, with its own key', async () => {
    const { a, b, proxy, call } = await house()
    const list = (key: string, more: object = {}): string =>
      JSON.stringify([{ target: 'groq/llama-3.3-70b-versatile', headers: { authorization: `Bearer ${key}` }, ...more }])
    const first = await call({ headers: { ...on, 'weir-fallbacks': list('one') } })
    const again = await call({ headers: { ...on, 'weir-fallbacks': list('one') } })
    expect([status(first), status(again), again.headers['weir-provider']]).toEqual(['MISS', 'HIT', 'groq'])
    expect((await proxy.end(again.id)).provider).toBe('groq')
    for (const [key, more] of [
      ['two', {}],
      ['one', { bodyKeyOverride: { temperature: 0 } }],
    ] as const)
      expect(status(await call({ headers: { ...on, 'weir-fallbacks': list(key, more) } }))).toBe('MISS')
    expect(status(await call({ headers: on }))).toBe('MISS')
    expect([a.total(), b.total()]).toEqual([1, 3])
  })

  test('under a strategy that draws, any answer is kept, for calls that draw from the same', async () => {
    const { b, call } = await house()
    const drawn = { ...on, ...fallback, 'weir-strategy': 'weighted;primary=0' }
    const first = await call({ headers: drawn })
    const again = await call({ headers: drawn })
    expect([status(first), status(again)]).toEqual(['MISS', 'HIT'])
    expect(again.headers['weir-provider']).toBe(first.headers['weir-provider'])
    expect(status(await call({ headers: { ...drawn, 'weir-groq-key': 'other' } }))).toBe('MISS')
    expect(status(await call({ headers: { ...on, ...fallback } }))).toBe('MISS')
    expect(b.total()).toBeLessThan(4)
  })
})
