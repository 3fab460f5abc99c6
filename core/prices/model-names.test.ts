import { expect, test } from 'vitest'
import { noUsage, type Usage } from '../usage.js'
import { openPriceBook } from './book.js'
import type { CallFacts } from './call-facts.js'
import type { Cost } from './cost.js'
import { matchesPattern, nameModel } from './model-names.js'
import { price } from './price.js'

const book = openPriceBook()
const august = new Date('2026-08-19T00:00:00Z')
const usage: Usage = { ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, inputTokens: 1_000_000, outputTokens: 0 }

const costOf = (provider: string, requestModel: string | null, more: Partial<CallFacts> = {}): Cost =>
  price(
    usage,
    {
      provider,
      api: 'chat',
      endpoint: 'POST /v1/chat/completions',
      outcome: 'complete',
      status: 200,
      requestModel,
      responseModel: null,
      serverAddress: null,
      asked: {},
      attempt: 1,
      ...more,
    },
    august,
    book,
  )

// USD of a million tokens of input, on the lists of 2026-08-19; Sonnet 4.5 takes twice its price for so long a context.
test.each([
  ['openai', 'GPT-5', '1.25'],
  ['openai', 'gpt-5-2025-08-07', '1.25'],
  ['anthropic', 'claude-sonnet-4-5-20250929', '6'],
  ['anthropic', 'claude-3-5-haiku-latest', '0.8'],
  ['gemini', 'models/gemini-2.5-flash', '0.3'],
  ['vertex', 'publishers/google/models/gemini-2.5-flash', '0.3'],
  ['vertex', 'projects/p/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001', '1'],
  ['vertex', 'google/gemini-2.5-flash', '0.3'],
  // A geography of Bedrock costs a tenth more than `global.`, however it is named.
  ['bedrock', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', '1.1'],
  ['bedrock', 'jp.anthropic.claude-haiku-4-5-20251001-v1:0', '1.1'],
  ['bedrock', 'global.anthropic.claude-haiku-4-5-20251001-v1:0', '1'],
  ['bedrock', 'anthropic.claude-haiku-4-5-20251001-v1:0', '1.1'],
  ['bedrock', 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0', '1.1'],
  ['bedrock', 'arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-sonnet-20240229-v1:0:200k', '3'],
  ['bedrock', 'us.meta.llama3-3-70b-instruct-v1:0', '0.72'],
  ['openrouter', 'openai/gpt-4.1-mini', '0.4'],
  ['openrouter', 'openai/gpt-4.1-mini:nitro', '0.4'],
  ['openrouter', 'openai/gpt-4.1-mini:floor', '0.4'],
  ['openrouter', 'openai/gpt-4.1-mini:online', '0.4'],
  ['openrouter', 'openai/gpt-4.1-mini:exacto', '0.4'],
  ['fireworks', 'accounts/fireworks/models/llama-v3p1-8b-instruct', '0.2'],
  ['azure', 'gpt-5-mini-2025-08-07', '0.25'],
  ['groq', 'openai/gpt-oss-120b', '0.15'],
] as const)('%s %s', (provider, model, usd) => {
  expect(costOf(provider, model)).toMatchObject({ totalUsd: usd, status: 'exact' })
})

test.each([
  ['openrouter', 'no-such-author/no-such-model:free', '0', 'exact', null],
  ['openrouter', 'no-such-author/no-such-model', null, 'unpriced', 'unknown_model'],
  // What a gateway takes on top of the maker's list is not known.
  ['vercel', 'anthropic/claude-sonnet-4-5', '6', 'estimated', 'assumed_price'],
  ['vercel', 'nobody/nothing', null, 'unpriced', 'unknown_model'],
  ['hf', 'openai/gpt-oss-120b', null, 'unpriced', 'unknown_model'],
  // Names a deployment happens to have, and ids of the account's own, are no models.
  ['azure', 'gpt-5-prod', null, 'unpriced', 'unknown_model'],
  ['azure', 'my-gpt-4o', null, 'unpriced', 'unknown_model'],
  ['bedrock', 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3', null, 'unpriced', 'unknown_model'],
  ['openai', '', null, 'unpriced', 'unknown_model'],
] as const)('%s %j: %s', (provider, model, totalUsd, status, reason) => {
  expect(costOf(provider, model)).toMatchObject({ totalUsd, status, reason })
})

test('the model that answered counts, except where it cannot tell the price', () => {
  expect(costOf('azure', 'gpt-5-prod', { responseModel: 'gpt-5-2025-08-07' }).totalUsd).toBe('1.25')
  expect(costOf('deepseek', 'deepseek-chat', { responseModel: 'deepseek-v4-flash' }).totalUsd).toBe('0.22')
  // Claude on Bedrock calls itself by its own name, without the geography.
  expect(
    costOf('bedrock', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', { responseModel: 'claude-haiku-4-5-20251001' }).totalUsd,
  ).toBe('1.1')
  const routed = costOf('hf', 'openai/gpt-oss-120b:groq', { responseModel: 'openai/gpt-oss-120b' })
  expect(routed.totalUsd).not.toBeNull()
})

test('an ARN of a profile tells its geography, which an override may name', () => {
  expect(nameModel('bedrock', 'us.anthropic.claude-haiku-4-5-20251001-v1:0').region).toBe('us')
  expect(nameModel('bedrock', 'anthropic.claude-haiku-4-5-20251001-v1:0').region).toBeNull()
})

test.each([
  ['*', 'anything', true],
  ['gpt-5*', 'gpt-5', true],
  ['gpt-5*', 'gpt-5-mini', true],
  ['gpt-5*', 'gpt-4', false],
  ['*-mini', 'gpt-5-mini', true],
  ['*-mini', 'gpt-5-minimal', false],
  ['a*b*c', 'aXbYc', true],
  ['a*b*c', 'abc', true],
  ['a*b*c', 'acb', false],
  ['aa*aa', 'aaa', false],
  ['gpt-5', 'gpt-5', true],
  ['gpt-5', 'gpt-5-mini', false],
])('%s takes %s: %s', (pattern, model, takes) => {
  expect(matchesPattern(pattern, model)).toBe(takes)
})

test('misses are remembered and dropped like matches, and a new book knows nothing of the old one', () => {
  const one = openPriceBook()
  for (let i = 0; i < 5000; i++)
    expect(one.priced({ provider: 'openai', model: `m${i}`, tier: null, region: null }, august, 0)).toBeNull()
  const key = { provider: 'openai', model: 'gpt-5', tier: null, region: null }
  const first = one.priced(key, august, 0)
  expect(first).not.toBeNull()
  expect(one.priced(key, august, 0)).toBe(first)
  expect(openPriceBook().priced(key, august, 0)).not.toBe(first)
})
