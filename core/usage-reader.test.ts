import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Raw } from './exchange.js'
import { readAnswer } from './providers/read-answer.js'
import { recordings, recordingsDir, type Recording } from './providers/recordings.js'
import { readUsage } from './usage-reader.js'
import type { Usage } from './usage.js'

const raw = (source: string, value: unknown): readonly Raw[] => [{ source, json: JSON.stringify(value) }]
const openai = (usage: object, provider = 'openai', api = 'chat'): Usage => readUsage(provider, api, raw('usage', usage))

describe('the total decides where a part lies', () => {
  test('inside: total = prompt + completion', () => {
    const usage = openai({
      prompt_tokens: 10,
      completion_tokens: 20,
      total_tokens: 30,
      completion_tokens_details: { reasoning_tokens: 15 },
    })
    expect(usage).toMatchObject({ inputTokens: 10, outputTokens: 20, reasoningTokens: 15, notes: [] })
  })
  test('reasoning outside: total = prompt + completion + reasoning', () => {
    const usage = openai({
      prompt_tokens: 213,
      completion_tokens: 2,
      total_tokens: 413,
      completion_tokens_details: { reasoning_tokens: 198 },
    })
    expect(usage).toMatchObject({ inputTokens: 213, outputTokens: 200, reasoningTokens: 198, notes: [] })
  })
  test('audio outside: total = prompt + audio + completion', () => {
    const usage = openai({
      prompt_tokens: 9,
      completion_tokens: 248,
      total_tokens: 632,
      prompt_tokens_details: { audio_tokens: 375 },
    })
    expect(usage).toMatchObject({ inputTokens: 384, outputTokens: 248, inputAudioTokens: 375, notes: [] })
  })
  test('nothing fits: the rule of the provider, and a note', () => {
    const told = {
      prompt_tokens: 10,
      completion_tokens: 20,
      total_tokens: 99,
      completion_tokens_details: { reasoning_tokens: 5 },
    }
    expect(openai(told)).toMatchObject({ outputTokens: 20, notes: ['total_mismatch'] })
    expect(openai(told, 'xai')).toMatchObject({ outputTokens: 25, notes: ['total_mismatch'] })
    expect(openai(told, 'xai', 'responses')).toMatchObject({ outputTokens: 20, notes: ['total_mismatch'] })
  })
})

describe('parts fit into their wholes', () => {
  test('more cached than prompt: Grok on Azure told 161 of 7', () => {
    const usage = openai(
      { prompt_tokens: 7, completion_tokens: 40, total_tokens: 47, prompt_tokens_details: { cached_tokens: 161 } },
      'azure',
    )
    expect(usage).toMatchObject({ inputTokens: 7, cacheReadTokens: 7, notes: ['clamped_cache_read'] })
  })
  test('reads give way to writes', () => {
    const usage = openai({
      prompt_tokens: 10,
      completion_tokens: 0,
      prompt_tokens_details: { cached_tokens: 8, cache_write_tokens: 6 },
    })
    expect(usage).toMatchObject({ cacheReadTokens: 4, cacheWriteTokens: 6 })
  })
})

describe('anthropic', () => {
  const start = { input_tokens: 2479, cache_creation_input_tokens: 100, cache_read_input_tokens: 20, output_tokens: 6 }

  test('message_delta replaces field by field; what it leaves out stays', () => {
    const usage = readUsage('anthropic', 'messages', [
      ...raw('message_start', start),
      ...raw('message_delta', { input_tokens: 404_500, output_tokens: 943 }),
    ])
    expect(usage).toMatchObject({ inputTokens: 404_620, cacheWriteTokens: 100, cacheReadTokens: 20, outputTokens: 943 })
  })
  test('the output of message_start is no result', () => {
    expect(readUsage('anthropic', 'messages', raw('message_start', start))).toMatchObject({
      inputTokens: 2599,
      outputTokens: null,
      usageSource: 'wire',
    })
  })
  test('a split by lifetime that does not add up is not believed', () => {
    const usage = readUsage(
      'anthropic',
      'messages',
      raw('usage', { ...start, cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 50 } }),
    )
    expect(usage).toMatchObject({
      cacheWriteTokens: 100,
      cacheWrite5mTokens: null,
      cacheWrite1hTokens: null,
      notes: ['ttl_split_mismatch'],
    })
  })
  test('iterations are summed, each with its own model', () => {
    const usage = readUsage(
      'anthropic',
      'messages',
      raw('usage', {
        input_tokens: 1000,
        output_tokens: 200,
        iterations: [
          { type: 'message', input_tokens: 1000, output_tokens: 200 },
          { type: 'advisor_message', model: 'claude-opus-4-8', input_tokens: 2000, output_tokens: 100 },
        ],
      }),
    )
    expect(usage).toMatchObject({ inputTokens: 3000, outputTokens: 300 })
    expect(usage.parts).toMatchObject([
      { type: 'message', model: null, inputTokens: 1000, outputTokens: 200 },
      { type: 'advisor_message', model: 'claude-opus-4-8', inputTokens: 2000, outputTokens: 100 },
    ])
  })
  test('fast mode and the place of inference are told in the answer', () => {
    expect(
      readUsage('anthropic', 'messages', raw('usage', { input_tokens: 1, output_tokens: 1, speed: 'fast', inference_geo: 'us' })),
    ).toMatchObject({ serviceTier: 'fast', region: 'us' })
    expect(
      readUsage('anthropic', 'messages', raw('usage', { input_tokens: 1, output_tokens: 1, inference_geo: 'not_available' }))
        .region,
    ).toBeNull()
  })
})

test('counting tokens is no usage', () => {
  expect(readUsage('anthropic', 'count_tokens', raw('count_tokens', { input_tokens: 14 }))).toMatchObject({
    inputTokens: null,
    usageSource: 'none',
    reason: 'not_applicable',
  })
})

test('costs are told exactly', () => {
  expect(openai({ prompt_tokens: 1, completion_tokens: 1, cost: 9.19e-5 }, 'openrouter').providerCostUsd).toBe('0.0000919')
  expect(openai({ prompt_tokens: 1, completion_tokens: 1, cost_in_usd_ticks: 3_080_400 }, 'xai').providerCostUsd).toBe(
    '0.00030804',
  )
  expect(
    openai(
      { prompt_tokens: 1, completion_tokens: 1, cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: 0.2 } },
      'openrouter',
    ).providerCostUsd,
  ).toBe('0.21')
  expect(openai({ prompt_tokens: 1, completion_tokens: 1, cost: -3 }, 'openrouter').providerCostUsd).toBeNull()
})

const tokenFields = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'reasoningTokens',
  'inputAudioTokens',
  'outputAudioTokens',
  'inputImageTokens',
  'outputImageTokens',
  'cacheReadAudioTokens',
  'cacheReadImageTokens',
] as const

/** The identities of wire.md §3 that do not hold. */
const broken = (usage: Omit<Usage, 'parts'>): readonly string[] => {
  const faults: string[] = []
  const must = (holds: boolean, what: string): void => {
    if (!holds) faults.push(what)
  }
  const sum = (...fields: readonly (typeof tokenFields)[number][]): number =>
    fields.reduce((total, field) => total + (usage[field] ?? 0), 0)
  for (const field of tokenFields) {
    const value = usage[field]
    must(value === null || (Number.isInteger(value) && value >= 0 && value <= 4_294_967_295), `${field} ${String(value)}`)
  }
  const { inputTokens: input, outputTokens: output } = usage
  if (input !== null) {
    must(sum('cacheReadTokens', 'cacheWriteTokens') <= input, 'cached and written fit into the input')
    must(sum('inputAudioTokens', 'inputImageTokens') <= input, 'sound and pictures fit into the input')
  }
  if (output !== null) {
    must(sum('reasoningTokens') <= output, 'reasoning fits into the output')
    must(sum('outputAudioTokens', 'outputImageTokens') <= output, 'sound and pictures fit into the output')
  }
  must(sum('cacheWrite5mTokens', 'cacheWrite1hTokens') <= sum('cacheWriteTokens'), 'lifetimes fit into the writes')
  must(sum('cacheReadAudioTokens') <= sum('inputAudioTokens'), 'cached sound fits into the sound')
  must(sum('cacheReadImageTokens') <= sum('inputImageTokens'), 'cached pictures fit into the pictures')
  must(sum('cacheReadAudioTokens') <= sum('cacheReadTokens'), 'cached sound is cached')
  for (const [name, value] of Object.entries(usage.extra))
    must(
      /^[a-z_]+$/.test(name) && value >= 0 && (Number.isInteger(value) || name === 'audio_seconds') && value <= 4_294_967_295,
      `${name} ${value}`,
    )
  must(usage.providerCostUsd === null || /^\d+(\.\d+)?$/.test(usage.providerCostUsd), `cost ${String(usage.providerCostUsd)}`)
  must((usage.usageSource === 'none') === (usage.reason !== null), 'a reason for none')
  return faults
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

const wholes = words(`
  prompt_tokens completion_tokens input_tokens output_tokens total_tokens cached_tokens reasoning_tokens
  prompt_cache_hit_tokens prompt_cache_miss_tokens num_cached_tokens cache_creation_input_tokens
  cache_read_input_tokens promptTokenCount candidatesTokenCount thoughtsTokenCount totalTokenCount
  cachedContentTokenCount toolUsePromptTokenCount total_input_tokens total_output_tokens
  total_thought_tokens total_tool_use_tokens total_cached_tokens total_tokens inputTokens outputTokens cacheReadInputTokens cacheWriteInputTokens
  inputTextTokenCount prompt_eval_count eval_count done_reason prompt_n predicted_n cache_n pages_processed
  num_search_queries cost is_byok cost_in_usd_ticks estimated_cost prompt_audio_seconds type seconds
  duration count service_tier`)
const objects = words(`
  prompt_tokens_details completion_tokens_details input_token_details output_tokens_details
  cached_tokens_details cache_creation server_tool_use server_tool_use_details
  server_side_tool_usage_details cost_details cost gateway iterations tokens billed_units
  promptTokensDetails candidatesTokensDetails cacheDetails input_tokens_by_modality
  grounding_tool_count tokenCounts tokenMetadata`)
const parts = words(`
  cached_tokens cache_write_tokens audio_tokens image_tokens text_tokens reasoning_tokens thinking_tokens
  ephemeral_5m_input_tokens ephemeral_1h_input_tokens web_search_requests web_search_calls
  upstream_inference_cost total_cost reasoning_tokens_cost input_tokens output_tokens search_units images
  classifications
  constructor __proto__ model`)

const figure = fc.oneof(
  { weight: 6, arbitrary: fc.nat(500) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      -5,
      1.5,
      1e300,
      4_294_967_296,
      Number.MAX_SAFE_INTEGER,
      null,
      true,
      'x',
      '12',
      '1e-7',
      'duration',
      '',
    ),
  },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
)
const detail = fc.dictionary(fc.constantFrom(...parts), figure, { maxKeys: 6 })
const usageObject = fc
  .tuple(
    fc.dictionary(fc.constantFrom(...wholes), figure, { maxKeys: 10 }),
    fc.dictionary(fc.constantFrom(...objects), fc.oneof(detail, fc.array(fc.oneof(detail, figure), { maxLength: 3 })), {
      maxKeys: 4,
    }),
  )
  .map(([flat, nested]) => ({ ...flat, ...nested }))
const source = fc.constantFrom(
  ...words(`
  usage usage usage x_groq usage_info meta tools images transcript timings provider_metadata pending
  service_tier message_start message_delta usageMetadata metadata metrics
  cohere.usage cohere.meta ollama.done interaction.usage interaction.tools predictions grounding`),
)
const rawOf = fc.record({
  source,
  json: fc.oneof(
    { weight: 8, arbitrary: usageObject.map((usage) => JSON.stringify(usage)) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
    { weight: 1, arbitrary: fc.tuple(usageObject, fc.nat(60)).map(([usage, length]) => JSON.stringify(usage).slice(0, length)) },
  ),
})
const provider = fc.constantFrom(
  'openai',
  'xai',
  'mistral',
  'gemini',
  'vertex',
  'perplexity',
  'anthropic',
  'bedrock',
  'cohere',
  'ollama',
  'acme',
)
const api = fc.constantFrom(
  '',
  ...words(`
  chat completions embeddings responses transcription speech images moderations ocr rerank batch messages
  count_tokens generate_content embed_content count_content_tokens interactions predict converse invoke realtime`),
)

test('whatever is told, the identities hold', () => {
  fc.assert(
    fc.property(provider, api, fc.array(rawOf, { minLength: 1, maxLength: 3 }), (who, what, told) => {
      const usage = readUsage(who, what, told)
      expect([...broken(usage), ...usage.parts.flatMap(broken)]).toEqual([])
    }),
    { numRuns: 20_000 * Number(process.env.WEIR_FUZZ ?? 1) },
  )
}, 600_000)

const snake = (usage: Usage): Record<string, number | null> =>
  Object.fromEntries(
    tokenFields.map((field) => [field.replace(/5m|1h|[A-Z]/g, (found) => `_${found.toLowerCase()}`), usage[field]]),
  )

const usageOf = async (recording: Recording): Promise<Usage> => {
  const reader = readAnswer({ ...recording, contentEncoding: recording.encoding })
  reader.push(recording.body)
  await reader.end()
  return readUsage(recording.provider, recording.api, reader.facts().usageRaw)
}

// Cohere, Ollama's own API and Google's Interactions have tests of their own.
const later = /^(?:cohere-|ollama-native|gemini-interactions)/
const inScope = recordings().filter(({ id }) => !later.test(id))

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(inScope.length).toBeGreaterThan(10)
  })

  test.each(inScope)('$id', async (recording) => {
    const usage = await usageOf(recording)
    expect(snake(usage)).toMatchObject(recording.expect)
    expect(usage.providerCostUsd === null ? null : Number(usage.providerCostUsd)).toBe(
      recording.billable ? recording.providerCostUsd : null,
    )
    expect(usage.usageSource).toBe(recording.usageSource)
    const { service_tier: tier, ...extra } = recording.extra
    expect(usage.extra).toMatchObject(extra)
    if (tier !== undefined) expect(usage.serviceTier).toBe(tier)
    if (recording.lines !== null)
      expect(usage.parts.map((part) => ({ type: part.type, usage: snake({ ...part, parts: [] }) }))).toMatchObject(
        recording.lines.map(({ type, usage: told }) => ({ type, usage: told })),
      )
  })
})
