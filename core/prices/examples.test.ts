import { describe, expect, test } from 'vitest'
import { noUsage, type Usage, type UsagePart } from '../usage.js'
import { openPriceBook } from './book.js'
import type { CallFacts } from './call-facts.js'
import type { CostStatus } from './cost.js'
import { price } from './price.js'

const book = openPriceBook()
const august = '2026-08-19T00:00:00Z'

const wire = (more: Partial<Usage>): Usage => ({ ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, ...more })

const part = (type: string, model: string | null, more: Partial<Usage>): UsagePart => {
  const { parts: _, ...rest } = wire(more)
  return { ...rest, type, model }
}

interface Example {
  readonly at?: string
  readonly provider: string
  readonly model: string
  readonly facts?: Partial<CallFacts>
  readonly usage: Usage
  /** Unit, quantity and USD: a million, a thousand, each or an hour, as the book has it. */
  readonly lines: readonly (readonly [string, number, string])[]
  readonly usd: string | null
  readonly status: CostStatus
  readonly ownUsd?: string
  readonly savedUsd?: string
}

const sonnet45 = {
  inputTokens: 16_000,
  cacheReadTokens: 10_000,
  cacheWriteTokens: 5000,
  cacheWrite5mTokens: 2000,
  cacheWrite1hTokens: 3000,
  outputTokens: 500,
}
const sonnet45Lines = [
  ['input', 1000, '3'],
  ['cache_read', 10_000, '0.3'],
  ['cache_write', 2000, '3.75'],
  ['cache_write_1h', 3000, '6'],
  ['output', 500, '15'],
] as const
const gpt5 = { inputTokens: 10_000, cacheReadTokens: 8000, outputTokens: 3000, reasoningTokens: 2500 }
const gpt5Lines = (input: string, read: string, output: string): Example['lines'] => [
  ['input', 2000, input],
  ['cache_read', 8000, read],
  ['output', 3000, output],
]
const flash = { inputTokens: 495, cacheReadTokens: 384, outputTokens: 65 }

/** The table of cost.md §5; usage, prices and amounts are its own. */
const examples: readonly (readonly [string, Example])[] = [
  [
    '1 two lifetimes of writes',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      usage: wire(sonnet45),
      lines: sonnet45Lines,
      usd: '0.039',
      status: 'exact',
    },
  ],
  [
    '2 and three searches',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      usage: wire({ ...sonnet45, extra: { web_search_requests: 3 } }),
      lines: [...sonnet45Lines, ['web_search', 3, '10']],
      usd: '0.069',
      status: 'exact',
    },
  ],
  [
    '3 written for an hour',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-20250514',
      usage: wire({ inputTokens: 2073, cacheWriteTokens: 2056, cacheWrite1hTokens: 2056, outputTokens: 100 }),
      lines: [
        ['input', 17, '3'],
        ['cache_write_1h', 2056, '6'],
        ['output', 100, '15'],
      ],
      usd: '0.013887',
      status: 'exact',
    },
  ],
  [
    '4 anthropic-cache-write-5m-and-1h',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-20250514',
      usage: wire({
        inputTokens: 2073,
        cacheWriteTokens: 2070,
        cacheWrite5mTokens: 14,
        cacheWrite1hTokens: 2056,
        outputTokens: 459,
      }),
      lines: [
        ['input', 3, '3'],
        ['cache_write', 14, '3.75'],
        ['cache_write_1h', 2056, '6'],
        ['output', 459, '15'],
      ],
      usd: '0.0192825',
      status: 'exact',
    },
  ],
  [
    '5 gpt-5',
    {
      provider: 'openai',
      model: 'gpt-5',
      usage: wire(gpt5),
      lines: gpt5Lines('1.25', '0.125', '10'),
      usd: '0.0335',
      status: 'exact',
    },
  ],
  [
    '6 priority',
    {
      provider: 'openai',
      model: 'gpt-5-2025-08-07',
      usage: wire({ ...gpt5, serviceTier: 'priority' }),
      lines: gpt5Lines('2.5', '0.25', '20'),
      usd: '0.067',
      status: 'exact',
    },
  ],
  [
    '7 batch',
    {
      provider: 'openai',
      model: 'gpt-5',
      usage: wire({ ...gpt5, serviceTier: 'batch' }),
      lines: gpt5Lines('0.625', '0.0625', '5'),
      usd: '0.01675',
      status: 'exact',
    },
  ],
  [
    '8 priority of the mini',
    {
      provider: 'openai',
      model: 'gpt-5-mini',
      usage: wire({ ...gpt5, serviceTier: 'priority' }),
      lines: gpt5Lines('0.45', '0.045', '3.6'),
      usd: '0.01206',
      status: 'exact',
    },
  ],
  [
    '9 at eu.api.openai.com',
    {
      provider: 'openai',
      model: 'gpt-5',
      facts: { serverAddress: 'eu.api.openai.com:443' },
      usage: wire(gpt5),
      lines: gpt5Lines('1.25', '0.125', '10'),
      usd: '0.03685',
      status: 'exact',
    },
  ],
  [
    '10 fast',
    {
      provider: 'anthropic',
      model: 'claude-opus-4-6',
      facts: { asked: { speed: 'fast' } },
      usage: wire({ inputTokens: 1000, outputTokens: 500 }),
      lines: [
        ['input', 1000, '30'],
        ['output', 500, '150'],
      ],
      usd: '0.105',
      status: 'exact',
    },
  ],
  [
    '11 a long context',
    {
      provider: 'gemini',
      model: 'gemini-2.5-pro',
      usage: wire({ inputTokens: 250_000, cacheReadTokens: 0, outputTokens: 1000 }),
      lines: [
        ['input', 250_000, '2.5'],
        ['output', 1000, '15'],
      ],
      usd: '0.64',
      status: 'exact',
    },
  ],
  [
    '11 200,000 of it cached',
    {
      provider: 'gemini',
      model: 'gemini-2.5-pro',
      usage: wire({ inputTokens: 250_000, cacheReadTokens: 200_000, outputTokens: 1000 }),
      lines: [
        ['input', 50_000, '2.5'],
        ['cache_read', 200_000, '0.25'],
        ['output', 1000, '15'],
      ],
      usd: '0.19',
      status: 'exact',
    },
  ],
  [
    '12 the last short one',
    {
      provider: 'gemini',
      model: 'gemini-2.5-pro',
      usage: wire({ inputTokens: 200_000, outputTokens: 1000 }),
      lines: [
        ['input', 200_000, '1.25'],
        ['output', 1000, '10'],
      ],
      usd: '0.26',
      status: 'exact',
    },
  ],
  [
    '12 the first long one',
    {
      provider: 'gemini',
      model: 'gemini-2.5-pro',
      usage: wire({ inputTokens: 200_001, outputTokens: 1000 }),
      lines: [
        ['input', 200_001, '2.5'],
        ['output', 1000, '15'],
      ],
      usd: '0.5150025',
      status: 'exact',
    },
  ],
  [
    '13 a picture made of tokens',
    {
      provider: 'gemini',
      model: 'gemini-2.5-flash-image',
      usage: wire({ inputTokens: 10, outputTokens: 1290, outputImageTokens: 1290 }),
      lines: [
        ['input', 10, '0.3'],
        ['output_image', 1290, '30'],
      ],
      usd: '0.038703',
      status: 'exact',
    },
  ],
  [
    '14 gemini-audio-in',
    {
      provider: 'gemini',
      model: 'gemini-2.5-flash',
      usage: wire({ inputTokens: 125, inputAudioTokens: 119, outputTokens: 35 }),
      lines: [
        ['input', 6, '0.3'],
        ['input_audio', 119, '1'],
        ['output', 35, '2.5'],
      ],
      usd: '0.0002083',
      status: 'exact',
    },
  ],
  [
    '15 realtime-azure-text',
    {
      provider: 'azure',
      model: 'gpt-realtime',
      facts: { api: 'realtime', status: 101, endpoint: 'GET /openai/realtime' },
      usage: wire({ inputTokens: 16, outputTokens: 98, outputAudioTokens: 82 }),
      lines: [
        ['input', 16, '4'],
        ['output', 16, '16'],
        ['output_audio', 82, '64'],
      ],
      usd: '0.005568',
      status: 'exact',
    },
  ],
  [
    '16 anthropic-stream-compaction-cache',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-6',
      usage: wire({
        inputTokens: 55_377,
        cacheReadTokens: 55_096,
        outputTokens: 91,
        parts: [
          part('compaction', null, { inputTokens: 55_196, cacheReadTokens: 55_096, outputTokens: 83 }),
          part('message', null, { inputTokens: 181, outputTokens: 8 }),
        ],
      }),
      lines: [
        ['input', 100, '3'],
        ['cache_read', 55_096, '0.3'],
        ['output', 83, '15'],
        ['input', 181, '3'],
        ['output', 8, '15'],
      ],
      usd: '0.0187368',
      status: 'exact',
    },
  ],
  [
    '17 an advisor',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-6',
      usage: wire({
        inputTokens: 3000,
        outputTokens: 300,
        parts: [
          part('message', null, { inputTokens: 1000, outputTokens: 200 }),
          part('advisor_message', 'claude-opus-4-8', { inputTokens: 2000, outputTokens: 100 }),
        ],
      }),
      lines: [
        ['input', 1000, '3'],
        ['output', 200, '15'],
        ['input', 2000, '5'],
        ['output', 100, '25'],
      ],
      usd: '0.0185',
      status: 'exact',
    },
  ],
  [
    '18 openai-chat-cache-write-gpt56',
    {
      provider: 'openai',
      model: 'gpt-5.6-sol',
      usage: wire({ inputTokens: 1220, cacheWriteTokens: 1217, outputTokens: 100 }),
      lines: [
        ['input', 3, '5'],
        ['cache_write', 1217, '6.25'],
        ['output', 100, '30'],
      ],
      usd: '0.01062125',
      status: 'exact',
    },
  ],
  [
    '19 cohere-stream-tools: what is billed',
    {
      provider: 'cohere',
      model: 'command-a-03-2025',
      usage: wire({ inputTokens: 1591, outputTokens: 38, extra: { billed_input_tokens: 68, billed_output_tokens: 8 } }),
      lines: [
        ['input', 68, '2.5'],
        ['output', 8, '10'],
      ],
      usd: '0.00025',
      status: 'exact',
    },
  ],
  [
    '20 perplexity-stream-cost-crlf',
    {
      provider: 'perplexity',
      model: 'sonar',
      facts: { trustCost: true },
      usage: wire({ inputTokens: 8, outputTokens: 5, providerCostUsd: '0.00501' }),
      lines: [
        ['input', 8, '1'],
        ['output', 5, '1'],
        ['request', 1, '5'],
      ],
      usd: '0.00501',
      ownUsd: '0.005013',
      status: 'provider',
    },
  ],
  [
    '21 xai-responses-web-search',
    {
      provider: 'xai',
      model: 'grok-4.3',
      facts: { trustCost: true, api: 'responses' },
      usage: wire({
        inputTokens: 5913,
        cacheReadTokens: 2048,
        outputTokens: 364,
        extra: { web_search_requests: 2 },
        providerCostUsd: '0.01615085',
      }),
      lines: [
        ['input', 3865, '1.25'],
        ['cache_read', 2048, '0.2'],
        ['output', 364, '2.5'],
        ['web_search', 2, '5'],
      ],
      usd: '0.01615085',
      ownUsd: '0.01615085',
      status: 'provider',
    },
  ],
  [
    '22 openrouter-web-search-stream',
    {
      provider: 'openrouter',
      model: 'openai/gpt-4.1-mini',
      facts: { trustCost: true },
      usage: wire({ inputTokens: 8174, outputTokens: 30, extra: { web_search_requests: 1 }, providerCostUsd: '0.0133176' }),
      lines: [
        ['input', 8174, '0.4'],
        ['output', 30, '1.6'],
        ['web_search', 1, '10'],
      ],
      usd: '0.0133176',
      ownUsd: '0.0133176',
      status: 'provider',
    },
  ],
  [
    '23 more cached than asked, clamped',
    {
      provider: 'azure',
      model: 'grok-4-fast',
      usage: wire({ inputTokens: 7, cacheReadTokens: 7, outputTokens: 40, notes: ['clamped_cache_read'] }),
      lines: [
        ['cache_read', 7, '0.05'],
        ['output', 40, '0.5'],
      ],
      usd: '0.00002035',
      status: 'estimated',
    },
  ],
  [
    '24 deepseek-stream-cache-hit',
    {
      provider: 'deepseek',
      model: 'deepseek-chat',
      facts: { responseModel: 'deepseek-v4-flash' },
      usage: wire(flash),
      lines: [
        ['input', 111, '0.22'],
        ['cache_read', 384, '0.007'],
        ['output', 65, '0.66'],
      ],
      usd: '0.000070008',
      status: 'exact',
    },
  ],
  [
    '24 at its own date',
    {
      at: '2026-06-08T00:00:00Z',
      provider: 'deepseek',
      model: 'deepseek-chat',
      facts: { responseModel: 'deepseek-v4-flash' },
      usage: wire(flash),
      lines: [
        ['input', 111, '0.14'],
        ['cache_read', 384, '0.0028'],
        ['output', 65, '0.28'],
      ],
      usd: '0.0000348152',
      status: 'exact',
    },
  ],
  [
    '25 bedrock-converse-cache-5m',
    {
      provider: 'bedrock',
      model: 'us.anthropic.claude-haiku-4-5-20251001-v1:0',
      facts: { api: 'converse' },
      usage: wire({ inputTokens: 7361, cacheWriteTokens: 7351, cacheWrite5mTokens: 7351, outputTokens: 4 }),
      lines: [
        ['input', 10, '1.1'],
        ['cache_write', 7351, '1.375'],
        ['output', 4, '5.5'],
      ],
      usd: '0.010140625',
      status: 'exact',
    },
  ],
  [
    '26 openai-image-dalle2-url',
    {
      provider: 'openai',
      model: 'dall-e-2',
      facts: { api: 'images', asked: { n: 1, size: '256x256' } },
      usage: wire({ extra: { images: 1 } }),
      lines: [['image', 1, '0.016']],
      usd: '0.016',
      status: 'exact',
    },
  ],
  [
    '27 mistral-ocr',
    {
      provider: 'mistral',
      model: 'mistral-ocr-latest',
      facts: { api: 'ocr' },
      usage: wire({ extra: { pages: 1 } }),
      lines: [['page', 1, '4']],
      usd: '0.004',
      status: 'exact',
    },
  ],
  [
    '28 anthropic-stream-pause-turn',
    {
      provider: 'anthropic',
      model: 'claude-sonnet-4-5-20250929',
      usage: wire({ inputTokens: 404_500, outputTokens: 943, extra: { web_search_requests: 10 } }),
      lines: [
        ['input', 404_500, '3'],
        ['output', 943, '15'],
        ['web_search', 10, '10'],
      ],
      usd: '1.327645',
      status: 'estimated',
    },
  ],
  [
    '29 a hit of our cache',
    {
      provider: 'openai',
      model: 'gpt-5',
      facts: { outcome: 'cached' },
      usage: wire(gpt5),
      lines: [],
      usd: '0',
      savedUsd: '0.0335',
      status: 'not_billable',
    },
  ],
]

describe('worked examples of cost.md §5', () => {
  test('are all there', () => {
    expect(new Set(examples.map(([name]) => name.split(' ')[0])).size).toBe(29)
  })

  test.each(examples)('%s', (_, { at = august, provider, model, facts, usage, lines, usd, status, ownUsd, savedUsd }) => {
    const cost = price(
      usage,
      {
        provider,
        api: provider === 'anthropic' ? 'messages' : 'chat',
        endpoint: 'POST /v1/chat/completions',
        outcome: 'complete',
        status: 200,
        requestModel: model,
        responseModel: null,
        serverAddress: null,
        asked: {},
        attempt: 1,
        ...facts,
      },
      new Date(at),
      book,
    )
    expect(cost.lines.map(({ unit, quantity, unitPriceUsd }) => [unit, quantity, unitPriceUsd])).toEqual(lines)
    expect(cost).toMatchObject({ totalUsd: usd, status, ownUsd: ownUsd ?? usd, savedUsd: savedUsd ?? null })
  })
})
