import fc from 'fast-check'
import { expect, test } from 'vitest'
import { noUsage, type Usage, type UsagePart } from '../usage.js'
import { openPriceBook } from './book.js'
import type { CallFacts } from './call-facts.js'
import type { Cost } from './cost.js'
import { amountPico, decimalOf, picoOf, type Decimal } from './money.js'
import { price } from './price.js'

const numRuns = 20_000 * Number(process.env.WEIR_FUZZ ?? 1)
const book = openPriceBook()
const august = new Date('2026-08-19T00:00:00Z')

const models = [
  ['openai', 'gpt-5'],
  ['openai', 'gpt-5.6-sol'],
  ['openai', 'gpt-4o-audio-preview'],
  ['openai', 'gpt-image-1'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['anthropic', 'claude-opus-4-6'],
  ['gemini', 'gemini-2.5-flash'],
  ['gemini', 'gemini-2.5-pro'],
  ['xai', 'grok-4.3'],
  ['deepseek', 'deepseek-v4-flash'],
  ['mistral', 'voxtral-small-latest'],
  ['perplexity', 'sonar-pro'],
  ['cohere', 'command-a-03-2025'],
  ['azure', 'gpt-5-mini'],
  ['bedrock', 'global.anthropic.claude-sonnet-4-5-20250929-v1:0'],
  ['openrouter', 'meta-llama/llama-3.3-70b-instruct:free'],
  ['nobody', 'nothing'],
] as const

const model = fc.constantFrom(...models)
const tier = fc.constantFrom(null, 'batch', 'flex', 'priority', 'fast', 'no such tier')
const tokens = fc.oneof(fc.constant(null), fc.nat(2000), fc.nat(1_000_000), fc.nat(0x7fffffff))
const amount = fc.oneof(fc.nat(5), fc.double({ min: 0, max: 1e6, noNaN: true }))

const counts = fc.record({
  inputTokens: tokens,
  outputTokens: tokens,
  cacheReadTokens: tokens,
  cacheWriteTokens: tokens,
  cacheWrite5mTokens: tokens,
  cacheWrite1hTokens: tokens,
  reasoningTokens: tokens,
  inputAudioTokens: tokens,
  outputAudioTokens: tokens,
  inputImageTokens: tokens,
  outputImageTokens: tokens,
  cacheReadAudioTokens: tokens,
  cacheReadImageTokens: tokens,
})
const extra = fc.dictionary(
  fc.constantFrom(
    'web_search_requests',
    'file_search_calls',
    'x_search_calls',
    'code_interpreter_calls',
    'images',
    'pages',
    'characters',
    'requests',
    'search_units',
    'audio_seconds',
    'billed_input_tokens',
    'billed_output_tokens',
    'something_new',
  ),
  amount,
  { maxKeys: 4 },
)

const told = (more: Partial<Usage>): Usage => ({ ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, ...more })

const partOf = (more: Partial<Usage>, type: string, name: string | null): UsagePart => {
  const { parts: _, ...rest } = told(more)
  return { ...rest, type, model: name }
}

const factsOf = (provider: string, name: string, more: Partial<CallFacts> = {}): CallFacts => ({
  provider,
  api: provider === 'anthropic' ? 'messages' : 'chat',
  endpoint: 'POST /v1/chat/completions',
  outcome: 'complete',
  status: 200,
  requestModel: name,
  responseModel: null,
  serverAddress: null,
  asked: {},
  attempt: 1,
  ...more,
})

const pico = (usd: string | null): bigint => picoOf(usd ?? '') ?? -1n
const decimal = (text: string): Decimal => decimalOf(text) ?? { digits: -1n, scale: 0 }

/** Each line worked out again, slowly; the sums of what has an amount. */
const check = (cost: Cost): void => {
  const sums = { input: 0n, output: 0n, other: 0n }
  for (const { unit, quantity, unitPriceUsd, multiplier, per, amountUsd } of cost.lines) {
    expect(quantity).toBeGreaterThan(0)
    if (amountUsd === null) continue
    const counted = Number.isInteger(quantity)
      ? decimal(String(quantity))
      : { digits: BigInt(Math.round(quantity * 1e6)), scale: 6 }
    expect(pico(amountUsd)).toBe(amountPico(counted, decimal(unitPriceUsd), decimal(multiplier), per))
    expect(pico(amountUsd)).toBeGreaterThanOrEqual(0n)
    const kind = /^(?:output|reasoning)/.test(unit) ? 'output' : /^(?:input|cache)/.test(unit) ? 'input' : 'other'
    sums[kind] += pico(amountUsd)
  }
  if (cost.ownUsd === null) return
  expect([pico(cost.inputUsd), pico(cost.outputUsd), pico(cost.otherUsd)]).toEqual([sums.input, sums.output, sums.other])
  expect(pico(cost.ownUsd)).toBe(sums.input + sums.output + sums.other)
  expect(pico(cost.totalUsd)).toBeGreaterThanOrEqual(0n)
}

test('whatever was used: never negative, lines are disjoint and add up, a reason for all that is not exact', () => {
  fc.assert(
    fc.property(
      model,
      counts,
      extra,
      fc.array(fc.tuple(counts, model), { maxLength: 3 }),
      tier,
      fc.constantFrom('chat', 'messages', 'speech', 'images', 'transcription', 'ocr', 'rerank', 'responses', ''),
      fc.constantFrom('complete', 'cached', 'client_abort', 'stall', 'proxy_lost') as fc.Arbitrary<CallFacts['outcome']>,
      fc.option(fc.constantFrom('0', '0.0123', '5'), { nil: null }),
      ([provider, name], usage, more, parts, serviceTier, api, outcome, providerCostUsd) => {
        const cost = price(
          told({
            ...usage,
            extra: more,
            serviceTier,
            providerCostUsd,
            parts: parts.map(([each, [, of]]) => partOf(each, 'message', of)),
          }),
          factsOf(provider, name, { api, outcome, trustCost: providerCostUsd === '5' }),
          august,
          book,
        )
        check(cost)
        if (cost.status === 'unpriced') expect(cost.totalUsd).toBeNull()
        else expect(cost.totalUsd).not.toBeNull()
        if (cost.status !== 'exact' && cost.status !== 'provider') expect(cost.reason ?? '').not.toBe('')
        // No token in two lines. What was billed goes before what was counted, and each part is told apart.
        if (parts.length > 0 || more.billed_input_tokens !== undefined || more.billed_output_tokens !== undefined) return
        const inLines = cost.lines.reduce(
          (sum, { unit, quantity }) => (/^(?:input|cache|output|reasoning)/.test(unit) ? sum + quantity : sum),
          0,
        )
        expect(inLines).toBeLessThanOrEqual((usage.inputTokens ?? 0) + (usage.outputTokens ?? 0))
      },
    ),
    { numRuns },
  )
})

/** Quantities that do not overlap, so that one may grow while the others stay. */
const quantities = fc.record({
  fresh: fc.nat(300_000),
  read: fc.nat(300_000),
  write5m: fc.nat(20_000),
  write1h: fc.nat(20_000),
  audio: fc.nat(20_000),
  text: fc.nat(20_000),
  reasoning: fc.nat(20_000),
  spoken: fc.nat(20_000),
  searches: fc.nat(5),
})
type Quantities = typeof quantities extends fc.Arbitrary<infer T> ? T : never

const usageOf = (of: Quantities, serviceTier: string | null): Usage =>
  told({
    inputTokens: of.fresh + of.read + of.write5m + of.write1h + of.audio,
    cacheReadTokens: of.read,
    cacheWriteTokens: of.write5m + of.write1h,
    cacheWrite5mTokens: of.write5m,
    cacheWrite1hTokens: of.write1h,
    inputAudioTokens: of.audio,
    outputTokens: of.text + of.reasoning + of.spoken,
    reasoningTokens: of.reasoning,
    outputAudioTokens: of.spoken,
    extra: of.searches === 0 ? {} : { web_search_requests: of.searches },
    serviceTier,
  })

test('a cost never falls when a quantity grows, over the bounds of contexts too', () => {
  const names = Object.keys({
    fresh: 0,
    read: 0,
    write5m: 0,
    write1h: 0,
    audio: 0,
    text: 0,
    reasoning: 0,
    spoken: 0,
    searches: 0,
  })
  fc.assert(
    fc.property(
      model,
      tier,
      quantities,
      fc.constantFrom(...(names as (keyof Quantities)[])),
      fc.integer({ min: 1, max: 300_000 }),
      ([provider, name], serviceTier, less, grows, by) => {
        // Where a search is made, several passes may be one sum, and are priced as short ones: that is another rule.
        const searches = provider === 'anthropic' ? 1 + less.searches : less.searches
        const before = { ...less, searches }
        const after = { ...before, [grows]: before[grows] + by }
        const facts = factsOf(provider, name)
        const [small, large] = [before, after].map((of) => price(usageOf(of, serviceTier), facts, august, book)) as [Cost, Cost]
        if (small.ownUsd === null || large.ownUsd === null) return
        expect(pico(large.ownUsd)).toBeGreaterThanOrEqual(pico(small.ownUsd))
      },
    ),
    { numRuns },
  )
})
