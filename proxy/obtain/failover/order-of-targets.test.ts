import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { openMemoryBreaker } from '../../state/memory-breaker.js'
import { post, startTestProxy, type Got } from '../cache/testing.js'

// Breaker and strategies, through a running proxy: cases 40, 41 and 60 of routing.md §11. A is OpenAI, B is Groq.

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const toB = { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' }

const open = async (random: () => number = () => 0) => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  onTestFinished(() => a.close())
  onTestFinished(() => b.close())
  let now = 1_000_000
  const proxy = await startTestProxy(a.origin, {
    random,
    breaker: openMemoryBreaker(() => now),
    yaml: `  groq: { origin: "${b.origin}" }\n`,
  })
  const ask = (headers: Record<string, string> = toB, sent = body): Promise<Got> => post(proxy.port, { headers, body: sent })
  return { a, b, ask, port: proxy.port, pass: (ms: number) => void (now += ms) }
}
const failing = (a: FakeProvider, times: number): void => a.plan(...Array.from({ length: times }, () => 'status=500'))
const said = ({ headers }: Got): string => String(headers['weir-attempts']).replaceAll(/;ms=\d+/g, '')

test('40: a target that failed five times is passed over; after 30 s one call finds out', async () => {
  const { a, b, ask, pass, port } = await open()
  failing(a, 6)
  for (let i = 0; i < 5; i++) expect((await ask()).headers['weir-fallback-index']).toBe('1')
  expect(a.seen).toHaveLength(5)
  const around = await ask()
  expect(said(around)).toBe('"openai/gpt-4o-mini";skipped=circuit_open, "groq/llama-3.3-70b";status=200')
  expect(around.headers['weir-fallback-index']).toBe('1')
  expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain(
    'weir_circuit_state{provider="openai",model="gpt-4o-mini",state="open"} 1',
  )
  pass(30_000)
  // The sixth failure: it is open for 60 s now.
  expect(said(await ask())).toBe('"openai/gpt-4o-mini";status=500;kind=server, "groq/llama-3.3-70b";status=200')
  pass(59_999)
  await ask()
  expect(a.seen).toHaveLength(6)
  pass(1)
  a.plan('delay=300')
  const seenByB = b.seen.length
  const [probe, other] = await Promise.all([ask(), new Promise((resolve) => setTimeout(resolve, 100)).then(() => ask())])
  expect([said(probe), said(other)]).toEqual([
    '"openai/gpt-4o-mini";status=200',
    '"openai/gpt-4o-mini";skipped=circuit_open, "groq/llama-3.3-70b";status=200',
  ])
  expect(b.seen).toHaveLength(seenByB + 1)
  expect(said(await ask())).toBe('"openai/gpt-4o-mini";status=200')
})

test('41: with nobody else it is called all the same, and so are all when all are open', async () => {
  const { a, b, ask } = await open()
  failing(a, 6)
  failing(b, 5)
  for (let i = 0; i < 5; i++) await ask()
  expect((await ask({ 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Num': '0' })).status).toBe(500)
  expect(a.seen).toHaveLength(6)
  expect(said(await ask())).toBe('"openai/gpt-4o-mini";status=200')
})

test('the open one is the last resort', async () => {
  const { a, b, ask } = await open()
  failing(a, 5)
  for (let i = 0; i < 5; i++) await ask()
  b.plan('status=503')
  expect(said(await ask())).toBe(
    '"openai/gpt-4o-mini";skipped=circuit_open, "groq/llama-3.3-70b";status=503;kind=overloaded, "openai/gpt-4o-mini";status=200',
  )
  // That closed it.
  expect(said(await ask())).toBe('"openai/gpt-4o-mini";status=200')
})

test('a refused key is of no use for a minute; another key is another circuit', async () => {
  const { a, ask, pass } = await open()
  a.plan('status=401')
  await ask()
  expect(said(await ask())).toContain('skipped=circuit_open')
  expect(said(await ask({ ...toB, authorization: 'Bearer sk-two' }))).toBe('"openai/gpt-4o-mini";status=200')
  pass(60_000)
  expect(said(await ask())).toBe('"openai/gpt-4o-mini";status=200')
})

test('60: one user sticks to one target, many users are spread', async () => {
  const { ask } = await open(Math.random)
  const strategy = { ...toB, 'Weir-Strategy': 'weighted;sticky=user' }
  const first = (await ask({ ...strategy, 'Weir-User-Id': 'ada' })).headers['weir-provider']
  for (let i = 0; i < 100; i++) expect((await ask({ ...strategy, 'Weir-User-Id': 'ada' })).headers['weir-provider']).toBe(first)
  const providers = new Set<unknown>()
  for (let i = 0; i < 40; i++) providers.add((await ask({ ...strategy, 'Weir-User-Id': `u${i}` })).headers['weir-provider'])
  expect(providers.size).toBe(2)
})

test('by weight: a target of weight 0 is only asked when all others fail', async () => {
  const { a, ask } = await open(Math.random)
  const strategy = { ...toB, 'Weir-Strategy': 'weighted;primary=0' }
  for (let i = 0; i < 20; i++) expect((await ask(strategy)).headers['weir-provider']).toBe('groq')
  expect(a.seen).toHaveLength(0)
})

test('the cheaper one first', async () => {
  const { ask } = await open()
  const dear = JSON.stringify({ model: 'gpt-4o', messages: [] })
  const headers = { 'Weir-Fallback': 'openai/gpt-4o-mini, openai/never-heard-of', 'Weir-Strategy': 'cost' }
  const got = await ask(headers, dear)
  expect([got.headers['weir-model'], got.headers['weir-fallback-index']]).toEqual(['gpt-4o-mini', '1'])
  expect((await ask({ ...headers, 'Weir-Fallback': 'openai/never-heard-of' }, dear)).headers['weir-model']).toBe('gpt-4o')
})

test('the faster one first', async () => {
  const { a, ask } = await open(() => 0)
  const strategy = { ...toB, 'Weir-Strategy': 'latency' }
  a.plan('delay=100')
  // Neither was measured, then one of them.
  expect((await ask(strategy)).headers['weir-provider']).toBe('openai')
  expect((await ask(strategy)).headers['weir-provider']).toBe('groq')
  for (let i = 0; i < 5; i++) expect((await ask(strategy)).headers['weir-provider']).toBe('groq')
})
