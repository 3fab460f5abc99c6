import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FakeProvider } from '../fake-provider/server.js'
import { startFakeProvider } from '../fake-provider/server.js'
import type { PlannedCall } from './call.js'
import type { Session } from './sessions.js'
import { sessions } from './sessions.js'
import { startTraffic } from './traffic.js'

let fake: FakeProvider
beforeAll(async () => {
  fake = await startFakeProvider()
})
afterAll(() => fake.close())

/** The calls of the first sessions of a seed; agents are answered with one tool use. */
const callsOf = async (seed: string, count: number): Promise<PlannedCall[]> => {
  const calls: PlannedCall[] = []
  const all = sessions(seed, 'run')
  for (let n = 0; n < count; n++)
    await (all.next().value as Session)((call) => {
      calls.push(call)
      return Promise.resolve({ content: [{ type: 'tool_use', id: 'toolu_1', name: 'search', input: {} }] })
    })
  return calls
}

test('the same seed makes the same calls, another seed others', async () => {
  const first = await callsOf('a', 40)
  expect(await callsOf('a', 40)).toEqual(first)
  expect(await callsOf('b', 40)).not.toEqual(first)
})

test('every page has something to show: families, models, users, errors, clients that leave, cached prompts', async () => {
  const calls = await callsOf('demo', 400)
  const seen = (of: (call: PlannedCall) => string): Set<string> => new Set(calls.map(of))
  expect(seen(({ path }) => path.split('/')[1] ?? '')).toEqual(new Set(['openai', 'anthropic', 'gemini']))
  expect(seen(({ headers }) => headers['weir-user-id'] ?? '').size).toBe(8)
  expect(seen(({ headers }) => headers['weir-property-feature'] ?? '')).toEqual(
    new Set(['support-chat', 'research-agent', 'summaries', 'search-index', 'code-review']),
  )
  const fakes = calls.map(({ headers }) => headers['x-fake'] ?? '')
  for (const text of [
    'status=429',
    'status=500',
    'status=401',
    'error-event=last',
    'cached=',
    'written=',
    'reasoning=',
    'tools=1',
  ])
    expect(
      fakes.some((fault) => fault.includes(text)),
      text,
    ).toBe(true)
  expect(calls.some(({ leaves }) => leaves)).toBe(true)
})

const shortSession = function* (): Generator<Session> {
  const call = (xFake: string, expectedPico: bigint | null, leaves = false): PlannedCall => ({
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json', 'x-fake': xFake },
    body: { model: 'gpt-5-mini', messages: [], stream: true },
    leaves,
    expectedPico,
  })
  yield async (ask) => {
    await ask(call('', 5n))
    await ask(call('status=500', 0n))
    await ask(call('gap=200;chunks=20', null, true))
    await ask(call('', 7n))
  }
}

test('calls are counted by how they end, and no more are made than asked for', async () => {
  const before = fake.total()
  const tally = await startTraffic({ origin: fake.origin, sessions: shortSession(), rate: 1000, calls: 4 }).ended
  expect(tally).toEqual({ calls: 4, completed: 2, failed: 1, left: 1, expectedPico: 12n, unforeseen: 1 })
  expect(fake.total() - before).toBe(4)
  await expect.poll(() => fake.seen.slice(-4).map(({ aborted }) => aborted)).toEqual([false, false, true, false])
  const more = await startTraffic({ origin: fake.origin, sessions: sessions('demo', 'run'), rate: 1000, calls: 3 }).ended
  expect(more.calls).toBe(3)
})

test('stop ends it between two calls', async () => {
  const traffic = startTraffic({ origin: fake.origin, sessions: sessions('demo', 'run'), rate: 2, calls: null })
  await expect.poll(() => traffic.tally().calls, { timeout: 15_000 }).toBeGreaterThan(0)
  traffic.stop()
  const { calls } = await traffic.ended
  expect(traffic.tally().calls).toBe(calls)
})
