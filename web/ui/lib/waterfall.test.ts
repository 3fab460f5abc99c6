import { expect, test } from 'vitest'
import type { Attempt } from '../../api/contract.js'
import { answering, lanesOf, skipName, ticksOf } from './waterfall.js'

const attempt = (n: number, status: number, startUs: number, endUs: number, target = 'openai/gpt-5'): Attempt => ({
  n,
  target,
  provider: 'openai',
  model: 'gpt-5',
  status,
  errorKind: status === 200 ? '' : 'server',
  startUs,
  endUs,
  inputTokens: null,
  outputTokens: null,
  costUsd: null,
  replayed: false,
})
const told = (call: Parameters<typeof lanesOf>[0]) =>
  lanesOf(call).map((lane) =>
    lane.kind === 'attempt'
      ? `${lane.n} ${lane.attempt.status}${lane.answered ? ' answered' : ''}`
      : lane.kind === 'wait'
        ? `wait ${lane.toUs - lane.fromUs}`
        : `passed ${lane.target} at ${lane.atUs}`,
  )

test('attempts, what was waited between them, and who was passed over, in the order of time', () => {
  expect(
    told({
      status: 200,
      attemptList: [attempt(1, 503, 500, 90_000), attempt(2, 500, 290_000, 300_000), attempt(3, 200, 300_400, 900_000, 'groq/l')],
      passedOver: [
        { target: '@eu', reason: 'circuit_open', after: 0 },
        { target: '@us', reason: 'circuit_open', after: 2 },
      ],
    }),
  ).toEqual(['passed @eu at 500', '1 503', 'wait 200000', '2 500', 'passed @us at 300000', '3 200 answered'])
})

test('an earlier answer that went out after all stands last in the row, and first in time', () => {
  const call = { status: 500, attemptList: [attempt(1, 0, 200_000, 300_000), attempt(2, 500, 100, 90_000)], passedOver: [] }
  expect(told(call)).toEqual(['1 500 answered', 'wait 110000', '2 0'])
  expect(answering(call)?.n).toBe(2)
})

test('nobody answered', () => {
  expect(answering({ status: 502, attemptList: [attempt(1, 0, 0, 10)], passedOver: [] })).toBeNull()
  // It came, and its caller was gone.
  expect(answering({ status: 0, attemptList: [attempt(1, 500, 0, 10)], passedOver: [] })).toBeNull()
  expect(answering({ status: 401, attemptList: [], passedOver: [] })).toBeNull()
  expect(told({ status: 401, attemptList: [], passedOver: [{ target: 'groq/l', reason: 'no_credential', after: 0 }] })).toEqual([
    'passed groq/l at 0',
  ])
})

test.each([
  [900_000, [0, 200_000, 400_000, 600_000, 800_000]],
  [3_000_000, [0, 1_000_000, 2_000_000, 3_000_000]],
  [7, [0, 2, 4, 6]],
  [0, [0]],
])('an axis of %i µs', (total, ticks) => expect(ticksOf(total)).toEqual(ticks))

test('axes of any length have three to five marks', () => {
  for (let total = 2; total < 4_000_000_000; total = Math.ceil(total * 1.37)) {
    const ticks = ticksOf(total)
    expect(ticks.length).toBeGreaterThanOrEqual(3)
    expect(ticks.length).toBeLessThanOrEqual(5)
    expect(ticks.at(-1)).toBeLessThanOrEqual(total)
  }
})

test('a reason nobody has words for stays one', () => {
  expect([skipName('no_credential'), skipName('too_far')]).toEqual(['no key is known for it', 'too far'])
})
