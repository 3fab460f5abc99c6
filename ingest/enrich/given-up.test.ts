import { expect, test } from 'vitest'
import type { Attempt } from '../../core/exchange.js'
import { openPriceBook } from '../../core/prices/book.js'
import { givenUpOf } from '../../core/prices/given-up.js'
import { exchange } from '../testing.js'
import { enrich } from './enrich.js'

const book = openPriceBook()
const here = { source: 'writer-a', offset: 0 }

const attempt = (more: Partial<Attempt>): Attempt => ({
  target: 'openai',
  provider: 'openai',
  model: 'gpt-4o',
  status: 0,
  errorKind: '',
  startUs: 0,
  endUs: 1000,
  usageRaw: [],
  ...more,
})
const answered = attempt({ model: 'gpt-4o-mini', status: 200 })

test.each([
  ['an HTTP error', { status: 500, errorKind: 'server' as const }, 0],
  ['a failure before a byte', { errorKind: 'network' as const }, 0],
  ['a connection that never opened', { errorKind: 'timeout_connect' as const }, 0],
  ['a time-out before the answer', { errorKind: 'timeout_ttft' as const }, 1],
  ['an answer that broke off', { status: 200, errorKind: 'network' as const }, 1],
])('%s', (_, more, billed) => {
  expect(givenUpOf([attempt(more)], 'chat', 1000)).toHaveLength(billed)
})

test('an attempt that was given up has lines and a cost of its own; the row sums both', () => {
  const attempts = [attempt({ errorKind: 'timeout_ttft' }), attempt({ status: 503, errorKind: 'overloaded' }), answered]
  const { cost, row } = enrich(exchange({ attempts }), here, { book })
  // gpt-4o: 1,000 x 2.50 a million. gpt-4o-mini: 1,000 x 0.15 + 100 x 0.60.
  expect(cost.lines.map(({ attempt, unit, model, amountUsd }) => [attempt, unit, model, amountUsd])).toEqual([
    [1, 'input', 'gpt-4o', '0.0025'],
    [3, 'input', 'gpt-4o-mini', '0.00015'],
    [3, 'output', 'gpt-4o-mini', '0.00006'],
  ])
  expect(cost).toMatchObject({ totalUsd: '0.00271', status: 'estimated', reason: 'attempt_given_up' })
  expect(row.attempts.map((tuple) => tuple.at(-1))).toEqual(['0.0025', '0', '0.00021'])
})

test('what broke off told its usage as far as it came', () => {
  const usageRaw = [{ source: 'usage', json: '{"prompt_tokens":900,"completion_tokens":50,"total_tokens":950}' }]
  const { cost } = enrich(
    exchange({ attempts: [attempt({ status: 200, errorKind: 'timeout_idle', usageRaw }), answered] }),
    here,
    { book },
  )
  // 900 x 2.50 + 50 x 10 a million, and 0.00021.
  expect(cost).toMatchObject({ totalUsd: '0.00296', status: 'estimated' })
})

test('output that was never told makes the sum a lower bound', () => {
  const { cost } = enrich(exchange({ attempts: [attempt({ status: 200, errorKind: 'network' }), answered] }), here, { book })
  expect(cost).toMatchObject({ totalUsd: '0.00271', status: 'partial', reason: 'quantity_not_told' })
})

test('an answer that is not billed does not free what was given up before it', () => {
  const refused = attempt({ status: 429, errorKind: 'rate_limit' })
  const { cost, row } = enrich(
    exchange({
      status: 429,
      usageRaw: [],
      attempts: [
        attempt({ errorKind: 'timeout_ttft', usageRaw: [{ source: 'usage', json: '{"prompt_tokens":1000}' }] }),
        refused,
      ],
    }),
    here,
    { book },
  )
  expect(cost).toMatchObject({ totalUsd: '0.0025', status: 'estimated', reason: 'attempt_given_up' })
  expect(row.attempts.map((tuple) => tuple.at(-1))).toEqual(['0.0025', '0'])
})

test('the row tells what single attempts used, which were sent twice, who was passed over, and when the head went out', () => {
  const usageRaw = [{ source: 'usage', json: '{"prompt_tokens":900,"completion_tokens":50,"total_tokens":950}' }]
  const { row } = enrich(
    exchange({
      attempts: [
        attempt({ status: 503, errorKind: 'overloaded' }),
        attempt({ status: 200, errorKind: 'timeout_idle', usageRaw }),
        { ...answered, replayed: true },
      ],
      passedOver: [
        { target: '@eu', reason: 'circuit_open', after: 0 },
        { target: 'groq/\ud800', reason: 'no_credential', after: 300 },
      ],
      committedUs: 1234,
    }),
    here,
    { book },
  )
  expect(row.attempt_facts).toEqual([
    [2, false, 900, 50],
    [3, true, null, null],
  ])
  expect(row.passed_over).toEqual([
    ['@eu', 'circuit_open', 0],
    ['groq/\ufffd', 'no_credential', 255],
  ])
  expect(row.marks_us.committed).toBe(1234)
})

test('a call that took one attempt tells nothing beside it', () => {
  const { row } = enrich(exchange({}), here, { book })
  expect([row.attempt_facts, row.passed_over, row.marks_us.committed]).toEqual([[], [], undefined])
})
