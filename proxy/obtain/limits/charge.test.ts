import { describe, expect, test } from 'vitest'
import { parseConfigFile } from '../../../core/config/parse.js'
import type { AnswerFacts } from '../../../core/providers/answer.js'
import type { Attempt } from '../../../core/exchange.js'
import { builtInProviders } from '../../../core/providers/registry.js'
import { routeOf } from '../../../core/providers/routes.js'
import type { CallRecord, Ending } from '../../record.js'
import { openCharges } from './charge.js'

const text = `prices:
  - { provider: openai, model: m, per: 1M, prices: { input: "10", output: "100" } }
  - { provider: openai, model: other, per: 1M, prices: { input: "1000", output: "10000" } }
`
const charges = openCharges(parseConfigFile({ path: 'weir.yaml', text }, {}).prices)

const facts: AnswerFacts = {
  usageRaw: [],
  responseModel: null,
  responseId: null,
  finishReason: null,
  error: null,
  events: 0,
  contentChars: 0,
  toolCalls: 0,
  notes: [],
}
const openai = builtInProviders.get('openai')
if (openai === undefined) throw new Error('openai is no provider')

/** A call to OpenAI's chat, as far as charges look at it. */
const record = (
  answer: Partial<AnswerFacts> | null,
  { model = 'm', over = null }: { readonly model?: string; readonly over?: readonly Attempt[] | null } = {},
): CallRecord =>
  ({
    call: { endpoint: 'POST /v1/chat/completions', identity: { modelOverride: null } },
    target: {
      provider: openai,
      origin: 'https://api.openai.com',
      path: '/v1/chat/completions',
      route: routeOf(openai, 'POST', '/v1/chat/completions', 'openai-chat'),
    },
    asked: { model, streaming: false, priceFacts: {}, user: null, malformed: false },
    reader: answer === null ? null : { facts: () => ({ ...facts, ...answer }) },
    responseHeaders: [],
    startedAtMs: Date.UTC(2026, 10, 1),
    attempts: over === null ? null : { over, open: true },
  }) as unknown as CallRecord

const complete: Ending = { outcome: 'complete', status: 200, error: null }
const estimate = { inputTokens: 500, outputTokens: 1000 }
const usage = (input: number, output: number): AnswerFacts['usageRaw'] => [
  { source: 'usage', json: JSON.stringify({ prompt_tokens: input, completion_tokens: output, total_tokens: input + output }) },
]

test('before a call: its input and the most it may be answered', () => {
  // 500 x $10 + 1,000 x $100 a million = $0.105 = 10.5 cents.
  expect(charges.before(record(null), estimate)).toEqual({ tokensMicro: 1500e6, centsMicro: 10_500_000 })
  expect(charges.before(record(null, { model: 'nobody-knows-it' }), estimate)).toEqual({ tokensMicro: 1500e6, centsMicro: null })
})

describe('after it', () => {
  test('what the provider told', () => {
    // 100 x $10 + 20 x $100 a million = $0.003.
    expect(charges.after(record({ usageRaw: usage(100, 20), finishReason: 'stop' }), complete, estimate)).toEqual({
      tokensMicro: 120e6,
      centsMicro: 300_000,
    })
  })

  test('what it did not tell, by the length of what came', () => {
    // 500 as estimated, 401 characters are 101 tokens: 500 x $10 + 101 x $100 a million = $0.0151.
    expect(charges.after(record({ contentChars: 401, finishReason: 'stop' }), complete, estimate)).toEqual({
      tokensMicro: 601e6,
      centsMicro: 1_510_000,
    })
  })

  test('counts that stopped growing stand for what came', () => {
    const cut: Ending = { outcome: 'upstream_abort', status: 200, error: null }
    expect(charges.after(record({ usageRaw: usage(100, 1), contentChars: 400 }), cut, estimate).tokensMicro).toBe(200e6)
    expect(charges.after(record({ usageRaw: usage(100, 300), contentChars: 400 }), cut, estimate).tokensMicro).toBe(400e6)
  })

  test.each<readonly [string, Ending]>([
    ['refused by us', { outcome: 'refused', status: 503, error: null }],
    ['refused by the provider', { outcome: 'complete', status: 429, error: null }],
    ['unreachable', { outcome: 'upstream_abort', status: 0, error: null }],
    ['left before it was sent', { outcome: 'client_abort', status: 0, error: null }],
  ])('nothing where it was %s', (_, ending) =>
    expect(charges.after(record(null), ending, estimate)).toEqual({ tokensMicro: 0, centsMicro: 0 }),
  )

  test('a model without a price has used tokens, and cents nobody knows', () => {
    expect(charges.after(record({ usageRaw: usage(100, 20) }, { model: 'nobody-knows-it' }), complete, estimate)).toEqual({
      tokensMicro: 120e6,
      centsMicro: null,
    })
  })

  test('the sum of all attempts: those that were given up may be billed', () => {
    const attempt = (more: Partial<Attempt>): Attempt => ({
      target: 'openai/other',
      provider: 'openai',
      model: 'other',
      status: 0,
      errorKind: '',
      startUs: 0,
      endUs: 1,
      usageRaw: [],
      ...more,
    })
    const over = [
      attempt({ status: 500, errorKind: 'server' }),
      attempt({ errorKind: 'timeout_ttft' }),
      attempt({ status: 200, errorKind: 'timeout_idle', usageRaw: usage(100, 10) }),
    ]
    // 100 (input of the call) + 110 + 120. $0.003, and at 100 times the price 100 x $1,000 + (100 x $1,000 + 10 x $10,000) a million = $0.3.
    expect(charges.after(record({ usageRaw: usage(100, 20), finishReason: 'stop' }, { over }), complete, estimate)).toEqual({
      tokensMicro: 330e6,
      centsMicro: 30_300_000,
    })
  })
})
