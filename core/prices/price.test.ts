import { describe, expect, test } from 'vitest'
import { readAnswer } from '../providers/read-answer.js'
import { recordings, recordingsDir } from '../providers/recordings.js'
import { readUsage } from '../usage-reader.js'
import { noUsage, type Usage } from '../usage.js'
import { openPriceBook } from './book.js'
import { price, type CallFacts } from './price.js'

const book = openPriceBook()
const august = new Date('2026-08-19T00:00:00Z')

const wire = (more: Partial<Usage>): Usage => ({ ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, ...more })

const facts = (provider: string, model: string, more: Partial<CallFacts> = {}): CallFacts => ({
  provider,
  api: provider === 'anthropic' ? 'messages' : provider === 'gemini' ? 'generate_content' : 'chat',
  endpoint: 'POST /v1/chat/completions',
  outcome: 'complete',
  status: 200,
  requestModel: model,
  responseModel: null,
  serverAddress: null,
  asked: {},
  attempt: 1,
  trustCost: provider === 'openrouter' || provider === 'xai' || provider === 'perplexity',
  ...more,
})

const gpt5: Partial<Usage> = { inputTokens: 10_000, cacheReadTokens: 8000, outputTokens: 3000, reasoningTokens: 2500 }
const sonnet45: Partial<Usage> = {
  inputTokens: 16_000,
  cacheReadTokens: 10_000,
  cacheWriteTokens: 5000,
  cacheWrite5mTokens: 2000,
  cacheWrite1hTokens: 3000,
  outputTokens: 500,
}
const searches = { web_search_requests: 3 }

describe('worked by hand', () => {
  test('peak prices begin with their date, not with their hour', () => {
    const usage = wire({ inputTokens: 495, cacheReadTokens: 384, outputTokens: 65 })
    const call = facts('deepseek', 'deepseek-chat', { responseModel: 'deepseek-v4-flash' })
    expect(price(usage, call, august, book).totalUsd).toBe('0.000070008')
    // 111 x 0.14 + 384 x 0.0028 + 65 x 0.28 per million, at two in the morning.
    expect(price(usage, call, new Date('2026-06-08T02:00:00Z'), book).totalUsd).toBe('0.0000348152')
    // The same hour after the date: 111 x 0.44 + 384 x 0.014 + 65 x 1.32.
    expect(price(usage, call, new Date('2026-08-20T02:00:00Z'), book).totalUsd).toBe('0.000140016')
  })
})

test('prices are those of the day of the call', () => {
  const usage = wire({ inputTokens: 1_000_000, outputTokens: 0 })
  expect(price(usage, facts('openai', 'gpt-5.6-sol', {}), new Date('2026-08-20T23:59:59Z'), book).totalUsd).toBe('10')
  expect(price(usage, facts('openai', 'gpt-5.6-sol', {}), new Date('2026-08-21T00:00:00Z'), book).totalUsd).toBe('8')
})

test('lines of example 1 in full', () => {
  const { lines, inputUsd, outputUsd, otherUsd, priceId } = price(
    wire({ ...sonnet45, extra: searches }),
    facts('anthropic', 'claude-sonnet-4-5'),
    august,
    book,
  )
  expect(
    lines.map(({ unit, quantity, unitPriceUsd, per, amountUsd, from }) => [unit, quantity, unitPriceUsd, per, amountUsd, from]),
  ).toEqual([
    ['input', 1000, '3', 1_000_000, '0.003', 'base'],
    ['cache_read', 10_000, '0.3', 1_000_000, '0.003', 'base'],
    ['cache_write', 2000, '3.75', 1_000_000, '0.0075', 'base'],
    ['cache_write_1h', 3000, '6', 1_000_000, '0.018', 'base'],
    ['output', 500, '15', 1_000_000, '0.0075', 'base'],
    ['web_search', 3, '10', 1000, '0.03', 'base'],
  ])
  expect([inputUsd, outputUsd, otherUsd]).toEqual(['0.0315', '0.0075', '0.03'])
  expect(priceId).toMatch(/^0\.1\.8\+\d{4}-\d{2}-\d{2}\+[0-9a-f]{8}$/)
})

describe('unknown is null, never 0', () => {
  const usage = wire({ inputTokens: 10, outputTokens: 5 })
  test.each([
    ['no such model', usage, facts('openai', 'my-finetune'), 'unknown_model'],
    ['a provider without prices', usage, facts('my-vllm', 'llama'), 'unknown_model'],
    ['no quantity', noUsage('lost'), facts('openai', 'gpt-5', { outcome: 'proxy_lost', status: 0 }), 'lost'],
    [
      'a count beyond all sense',
      wire({ inputTokens: 4_000_000_000, outputTokens: 4_000_000_000 }),
      facts('openai', 'o1-pro'),
      'out_of_range',
    ],
  ] as const)('%s', (_, told, call, reason) => {
    expect(price(told, call, august, book)).toMatchObject({ totalUsd: null, ownUsd: null, status: 'unpriced', reason, lines: [] })
  })
})

describe('nothing is owed', () => {
  test.each([
    ['refused', { outcome: 'refused', status: 403 }],
    ['http_error', { status: 429 }],
    ['free', { api: 'count_tokens' }],
    ['no_answer', { outcome: 'client_abort', status: 0 }],
    ['read', { api: '', endpoint: 'GET /v1/models' }],
    ['poll', { api: 'batch', endpoint: 'GET /v1/batches/{id}' }],
  ] as const)('%s', (reason, more) => {
    expect(price(wire(gpt5), facts('openai', 'gpt-5', more), august, book)).toMatchObject({
      totalUsd: '0',
      status: 'not_billable',
      reason,
    })
  })
})

test.each([
  ['responses', 'poll'],
  ['moderations', 'free'],
])('%s that used nothing owe nothing', (api, reason) => {
  expect(price(noUsage('not_applicable'), facts('openai', 'gpt-5', { api }), august, book)).toMatchObject({
    totalUsd: '0',
    status: 'not_billable',
    reason,
  })
  expect(price(noUsage('not_on_wire'), facts('openai', 'gpt-5', { api }), august, book).status).toBe('unpriced')
})

test('a tier without a price is priced as standard, and says so', () => {
  expect(price(wire({ ...gpt5, serviceTier: 'scale' }), facts('openai', 'gpt-5'), august, book)).toMatchObject({
    totalUsd: '0.0335',
    status: 'estimated',
    reason: 'no_tier_price',
  })
})

test('the answer decides the tier, the request only where the answer is silent', () => {
  const asked = { service_tier: 'priority' }
  expect(price(wire({ ...gpt5, serviceTier: 'default' }), facts('openai', 'gpt-5', { asked }), august, book).totalUsd).toBe(
    '0.0335',
  )
  expect(price(wire(gpt5), facts('openai', 'gpt-5', { asked }), august, book).totalUsd).toBe('0.067')
})

test('inference in the US costs a tenth more at Anthropic, for the models that have it', () => {
  const usage = wire({ inputTokens: 1_000_000, outputTokens: 0, region: 'us' })
  expect(price(usage, facts('anthropic', 'claude-opus-4-8'), august, book).totalUsd).toBe('5.5')
  expect(price(wire({ ...usage, inputTokens: 100_000 }), facts('anthropic', 'claude-sonnet-4-5'), august, book).totalUsd).toBe(
    '0.3',
  )
})

test('a model newer than the base is priced by our own entries, by date and size', () => {
  const usage = wire({ inputTokens: 100_000, cacheReadTokens: 100_000, outputTokens: 0 })
  const sonnet = facts('anthropic', 'claude-sonnet-5-5')
  expect(price(usage, sonnet, new Date('2026-10-06T23:59:59Z'), book).totalUsd).toBe('0.02')
  expect(price(usage, sonnet, new Date('2026-10-07T00:00:00Z'), book).totalUsd).toBe('0.01')
  const haiku = facts('anthropic', 'claude-haiku-5-5')
  const at = new Date('2026-11-01T00:00:00Z')
  expect(price(wire({ inputTokens: 100_000, outputTokens: 1000 }), haiku, at, book).totalUsd).toBe('0.0105')
  expect(price(wire({ inputTokens: 100_001, outputTokens: 1000 }), haiku, at, book).totalUsd).toBe('0.0525005')
  expect(
    price(wire({ inputTokens: 10_000, outputTokens: 1000, serviceTier: 'flex' }), facts('openai', 'gpt-6.1-terra'), at, book),
  ).toMatchObject({
    totalUsd: '0.0075',
    status: 'exact',
  })
})

test('a container is counted and not priced: the total is a lower bound', () => {
  expect(
    price(wire({ ...gpt5, extra: { code_interpreter_calls: 2 } }), facts('openai', 'gpt-5', { api: 'responses' }), august, book),
  ).toMatchObject({ totalUsd: '0.0335', status: 'partial', reason: 'no_price_container' })
})

test('a newer version is not priced as the older one whose name it begins with', () => {
  expect(book.priced({ provider: 'anthropic', model: 'claude-sonnet-4-9', tier: null, region: null }, august, 1)).toBeNull()
  // The base knows v1 alone, at 0.1.
  expect(
    book.priced({ provider: 'bedrock', model: 'amazon.titan-embed-text-v2:0', tier: null, region: null }, august, 1)?.own('input')
      ?.rate.usdText,
  ).toBe('0.02')
  expect(
    book.priced({ provider: 'anthropic', model: 'claude-sonnet-4-5-20250929', tier: null, region: null }, august, 1)?.modelId,
  ).toBe('claude-sonnet-4-5')
})

const ours = recordings().filter(
  ({ provider, costUsd, costBasis, path }) =>
    ['openai', 'anthropic', 'gemini', 'vertex'].includes(provider) &&
    costUsd !== null &&
    costBasis !== 'open' &&
    !path.includes('interactions'),
)

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(ours.length).toBeGreaterThan(10)
  })

  test.each(ours)('$id costs $costUsd', async (recording) => {
    const reader = readAnswer({ ...recording, contentEncoding: recording.encoding })
    reader.push(recording.body)
    await reader.end()
    const { usageRaw, responseModel } = reader.facts()
    const cost = price(
      readUsage(recording.provider, recording.api, usageRaw),
      facts(recording.provider, recording.modelRequested ?? '', {
        api: recording.api,
        status: recording.status,
        responseModel,
        endpoint: `${recording.requestBody.length === 0 ? 'GET' : 'POST'} ${recording.path}`,
      }),
      august,
      book,
    )
    expect(Number(cost.totalUsd)).toBeCloseTo(recording.costUsd ?? -1, 10)
  })
})

describe('what was charged for the same response before', () => {
  const read = (charged: CallFacts['charged'], usage: Partial<Usage> = gpt5): ReturnType<typeof price> =>
    price(
      wire(usage),
      facts('openai', 'gpt-5', { api: 'responses', endpoint: 'GET /v1/responses/{id}', charged: charged ?? null }),
      august,
      book,
    )

  test('by what the provider told: nothing is owed again', () => {
    expect(read({ usd: '0.0335', source: 'wire' })).toMatchObject({
      totalUsd: '0',
      status: 'not_billable',
      reason: 'already_charged',
      lines: [],
    })
  })

  test('by our count: the difference is owed, and never less than nothing', () => {
    expect(read({ usd: '0.02', source: 'estimated' })).toMatchObject({
      totalUsd: '0.0135',
      ownUsd: '0.0335',
      reason: 'less_already_charged',
    })
    expect(read({ usd: '0.05', source: 'estimated' })).toMatchObject({
      totalUsd: '0',
      ownUsd: '0.0335',
      reason: 'less_already_charged',
    })
  })

  test('nothing before: all of it', () => {
    expect(read(null)).toMatchObject({ totalUsd: '0.0335', status: 'exact', reason: null })
  })
})

test("a provider's own figure counts where it is trusted, and stands beside ours where it is not", () => {
  const usage = wire({ ...gpt5, providerCostUsd: '0.04' })
  expect(price(usage, facts('openai', 'gpt-5', { trustCost: true }), august, book)).toMatchObject({
    totalUsd: '0.04',
    ownUsd: '0.0335',
    providerUsd: '0.04',
    status: 'provider',
    reason: null,
  })
  expect(price(usage, facts('openai', 'gpt-5'), august, book)).toMatchObject({
    totalUsd: '0.0335',
    providerUsd: '0.04',
    status: 'exact',
  })
  // Without a price of ours it is still theirs.
  expect(price(usage, facts('nobody', 'nothing', { trustCost: true }), august, book)).toMatchObject({
    totalUsd: '0.04',
    ownUsd: null,
    status: 'provider',
  })
  expect(price(wire({ ...gpt5, notes: ['byok_cost_not_told'] }), facts('openai', 'gpt-5'), august, book)).toMatchObject({
    totalUsd: '0.0335',
    status: 'estimated',
    reason: 'byok_cost_not_told',
  })
})
