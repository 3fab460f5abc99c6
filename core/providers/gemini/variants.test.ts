import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { storedZstd } from '../framing/stored-zstd.js'
import { readAnswer, type Answering } from '../read-answer.js'
import { readRequest } from '../read-request.js'
import { recordings, recordingsDir, type Recording } from '../recordings.js'

const asked: Answering = {
  family: 'gemini',
  api: 'generate_content',
  provider: 'gemini',
  streaming: true,
  status: 200,
  contentType: 'text/event-stream',
  contentEncoding: null,
}

type Read = AnswerFacts & { readonly content: boolean; readonly usage: Usage }

const read = async (answering: Answering, pieces: readonly Buffer[]): Promise<Read> => {
  const reader = readAnswer(answering)
  for (const piece of pieces) reader.push(piece)
  await reader.end()
  const facts = reader.facts()
  return { ...facts, content: reader.content, usage: readUsage(answering.provider, answering.api, facts.usageRaw) }
}

const streamed = async (...chunks: readonly object[]): Promise<Read> =>
  read(asked, [Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(''))])
const body = async (value: unknown, more: Partial<Answering> = {}): Promise<Read> =>
  read({ ...asked, streaming: false, contentType: 'application/json', ...more }, [Buffer.from(JSON.stringify(value))])
const usageOf = async (usageMetadata: object): Promise<Usage> => (await body({ candidates: [], usageMetadata })).usage
const embedded = async (value: unknown): Promise<Usage> => (await body(value, { api: 'embed_content' })).usage
const predicted = async (value: unknown, more: Partial<Answering> = {}): Promise<Read> =>
  body(value, { api: 'predict', provider: 'vertex', ...more })

describe('what was read and what was made', () => {
  test('what tools gave to read is input, thoughts are output', async () => {
    const told = { promptTokenCount: 32, toolUsePromptTokenCount: 4610, candidatesTokenCount: 25, thoughtsTokenCount: 37 }
    expect(await usageOf({ ...told, totalTokenCount: 4704 })).toMatchObject({
      inputTokens: 4642, // 32 + 4,610
      outputTokens: 62, // 25 + 37
      reasoningTokens: 37,
      cacheReadTokens: 0,
      cacheWriteTokens: null,
      extra: { tool_use_prompt_tokens: 4610 },
      usageSource: 'wire',
      notes: [],
    })
    expect(await usageOf(told)).toMatchObject({ inputTokens: 4642, outputTokens: 62, notes: [] })
  })

  test('the total decides where thoughts lie; one that fits nothing is noted', async () => {
    const told = { promptTokenCount: 10, candidatesTokenCount: 30, thoughtsTokenCount: 20 }
    expect(await usageOf({ ...told, totalTokenCount: 60 })).toMatchObject({ outputTokens: 50, notes: [] }) // 30 + 20
    expect(await usageOf({ ...told, totalTokenCount: 40 })).toMatchObject({ outputTokens: 30, reasoningTokens: 20, notes: [] })
    expect(await usageOf({ ...told, totalTokenCount: 99 })).toMatchObject({ outputTokens: 50, notes: ['total_mismatch'] })
  })

  test('of what is not told the total tells the rest', async () => {
    // 50 - 10, of which 20 were thought
    expect(await usageOf({ promptTokenCount: 10, thoughtsTokenCount: 20, totalTokenCount: 50 })).toMatchObject({
      outputTokens: 40,
      reasoningTokens: 20,
      notes: [],
    })
    expect(await usageOf({ promptTokenCount: 10, thoughtsTokenCount: 20, totalTokenCount: 30 })).toMatchObject({
      outputTokens: 20,
    })
    expect(await usageOf({ candidatesTokenCount: 5, totalTokenCount: 30 })).toMatchObject({ inputTokens: 25, outputTokens: 5 })
    expect(await usageOf({ candidatesTokenCount: 5, totalTokenCount: 5 })).toMatchObject({ inputTokens: null, outputTokens: 5 })
  })

  test('a prompt that was refused made nothing, if the total says so', async () => {
    const refused = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, modelVersion: 'gemini-2.5-flash' }
    expect(await body({ ...refused, usageMetadata: { promptTokenCount: 12, totalTokenCount: 12 } })).toMatchObject({
      finishReason: 'PROHIBITED_CONTENT',
      usage: { inputTokens: 12, outputTokens: 0, reasoningTokens: 0 },
    })
    expect((await body({ ...refused, usageMetadata: { promptTokenCount: 12 } })).usage).toMatchObject({
      inputTokens: 12,
      outputTokens: null,
    })
    expect((await body(refused)).usage).toMatchObject({ inputTokens: null, outputTokens: null, usageSource: 'none' })
  })

  test('older names, null and nonsense', async () => {
    expect(await usageOf({ promptTokenCount: 3, responseTokenCount: 4, totalTokenCount: 7 })).toMatchObject({ outputTokens: 4 })
    expect(await usageOf({ promptTokenCount: 3, candidatesTokenCount: -4, thoughtsTokenCount: null })).toMatchObject({
      inputTokens: 3,
      outputTokens: null,
      notes: ['malformed'],
    })
    expect(await usageOf({})).toMatchObject({ inputTokens: null, outputTokens: null, usageSource: 'none' })
  })
})

describe('modalities and the cache', () => {
  test('sound and pictures apart; text, video and documents have no unit of their own', async () => {
    const usage = await usageOf({
      promptTokenCount: 1000,
      toolUsePromptTokenCount: 50,
      candidatesTokenCount: 1400,
      totalTokenCount: 2450,
      cachedContentTokenCount: 400,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 100 },
        { modality: 'VIDEO', tokenCount: 300 },
        { modality: 'DOCUMENT', tokenCount: 200 },
        { modality: 'IMAGE', tokenCount: 258 },
        { modality: 'AUDIO', tokenCount: 142 },
      ],
      toolUsePromptTokensDetails: [{ modality: 'IMAGE', tokenCount: 40 }, { modality: 'TEXT' }],
      cacheTokensDetails: [
        { modality: 'VIDEO', tokenCount: 300 },
        { modality: 'IMAGE', tokenCount: 58 },
        { modality: 'AUDIO', tokenCount: 42 },
      ],
      candidatesTokensDetails: [
        { modality: 'IMAGE', tokenCount: 1290 },
        { modality: 'AUDIO', tokenCount: 60 },
      ],
    })
    expect(usage).toMatchObject({
      inputTokens: 1050,
      outputTokens: 1400,
      cacheReadTokens: 400,
      inputAudioTokens: 142,
      inputImageTokens: 298, // 258 + 40
      outputImageTokens: 1290,
      outputAudioTokens: 60,
      cacheReadAudioTokens: 42,
      cacheReadImageTokens: 58,
      notes: [],
    })
  })

  test('what is not told of a modality is not known', async () => {
    const usage = await usageOf({
      promptTokenCount: 5,
      candidatesTokenCount: 1,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 5 }],
    })
    expect(usage).toMatchObject({
      inputAudioTokens: null,
      inputImageTokens: null,
      outputAudioTokens: null,
      cacheReadAudioTokens: null,
    })
  })

  test('more cached than asked is clamped', async () => {
    expect(await usageOf({ promptTokenCount: 5, candidatesTokenCount: 1, cachedContentTokenCount: 9 })).toMatchObject({
      cacheReadTokens: 5,
      notes: ['clamped_cache_read'],
    })
  })

  test.each([
    [{ trafficType: 'ON_DEMAND' }, null],
    [{ trafficType: 'ON_DEMAND_PRIORITY' }, 'priority'],
    [{ trafficType: 'ON_DEMAND_FLEX' }, 'flex'],
    [{ trafficType: 'PROVISIONED_THROUGHPUT' }, 'provisioned'],
    [{ trafficType: 'ON_DEMAND_OFFPEAK' }, 'offpeak'],
    [{ serviceTier: 'standard' }, 'standard'],
    [{ serviceTier: 'SERVICE_TIER_FLEX' }, 'flex'],
    [{ serviceTier: 'priority', trafficType: 'ON_DEMAND' }, 'priority'],
    [{ serviceTier: 'unspecified', trafficType: 'ON_DEMAND_FLEX' }, 'flex'],
    [{}, null],
  ])('%j', async (told, tier) => {
    expect((await usageOf({ promptTokenCount: 1, candidatesTokenCount: 1, ...told })).serviceTier).toBe(tier)
  })
})

describe('a stream', () => {
  test('the newest value of each field wins; one that is left out or null stays', async () => {
    const { usage } = await streamed(
      { usageMetadata: { promptTokenCount: 9, totalTokenCount: 9, promptTokensDetails: [{ modality: 'AUDIO', tokenCount: 4 }] } },
      { usageMetadata: { promptTokenCount: 9, thoughtsTokenCount: 20, totalTokenCount: 29, trafficType: 'ON_DEMAND_FLEX' } },
      { candidates: [{ content: { parts: [{ text: 'Hi' }] } }] },
      { usageMetadata: { candidatesTokenCount: 6, totalTokenCount: 37, thoughtsTokenCount: null, cachedContentTokenCount: 3 } },
      { usageMetadata: { candidatesTokenCount: 8 } },
      { usageMetadata: null },
    )
    expect(usage).toMatchObject({
      inputTokens: 9,
      outputTokens: 28, // 8 + 20
      reasoningTokens: 20,
      cacheReadTokens: 3,
      inputAudioTokens: 4,
      serviceTier: 'flex',
      notes: [],
    })
  })

  test('cut before anything was made: the output of its last usage is 0, and no end was told', async () => {
    expect(await streamed({ usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 } })).toMatchObject({
      finishReason: null,
      usage: { inputTokens: 9, outputTokens: 0 },
    })
  })

  test('text, thoughts, calls in one and in pieces, code and pictures', async () => {
    const parts = (...list: readonly object[]): object => ({ candidates: [{ content: { role: 'model', parts: list } }] })
    const answer = await streamed(
      parts({ text: 'hm', thought: true }),
      parts({ functionCall: { name: 'f', args: { x: 1 } } }, { functionCall: { name: 'g' } }),
      parts({ functionCall: { name: 'h', willContinue: true } }),
      parts({
        functionCall: { partialArgs: [{ jsonPath: '$.city', stringValue: 'Oslo', willContinue: true }], willContinue: true },
      }),
      parts({ functionCall: {} }),
      parts({ executableCode: { code: 'print(1)' } }, { inlineData: { mimeType: 'image/png', data: 'aGk=' } }),
      { ...parts({ text: 'Zoë "👋"' }), responseId: 'r1', modelVersion: 'gemini-3-flash' },
      { candidates: [{ finishReason: 'STOP', index: 0 }] },
    )
    expect(answer).toMatchObject({
      // hm 2, {"x":1} 7, {} of g 2, {} of h 2, Oslo 4, {} at its end 2, print(1) 8, Zoë "👋" 8
      contentChars: 35,
      toolCalls: 4,
      finishReason: 'STOP',
      responseId: 'r1',
      responseModel: 'gemini-3-flash',
      events: 8,
    })
  })

  test('an error in the middle of it', async () => {
    const failed = { error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED' } }
    expect(await streamed({ candidates: [{ content: { parts: [{ text: 'a' }] } }] }, failed)).toMatchObject({
      error: { kind: 'rate_limit', code: 'RESOURCE_EXHAUSTED', message: 'Quota' },
      contentChars: 1,
    })
  })
})

describe("Google's own tools", () => {
  const grounded = (groundingMetadata: object, index?: number): object => ({ candidates: [{ groundingMetadata, index }] })
  const extraOf = async (...chunks: readonly object[]): Promise<Usage['extra']> => (await streamed(...chunks)).usage.extra

  test('searches are counted once: the newest list wins, and one that is left out stays', async () => {
    expect(
      await extraOf(
        grounded({ webSearchQueries: ['a'] }),
        grounded({ webSearchQueries: ['a', 'b', 'b', ''] }),
        grounded({ webSearchQueries: ['a', 'b'] }),
        grounded({ groundingChunks: [{ web: { uri: 'u' } }], searchEntryPoint: {} }),
        grounded({}),
      ),
    ).toEqual({ web_search_requests: 2 })
  })

  test('candidates have searches of their own', async () => {
    const both = {
      candidates: [{ groundingMetadata: { webSearchQueries: ['a'] } }, { groundingMetadata: { webSearchQueries: ['b'] } }],
    }
    expect(await extraOf(both, grounded({ webSearchQueries: ['b', 'c'] }, 1))).toEqual({ web_search_requests: 3 })
  })

  test('pages found without a query are no search, unless its chips are shown; places and documents were looked for once', async () => {
    const groundingChunks = [{ web: { uri: 'u' } }, { web: { uri: 'v' } }]
    expect(await extraOf(grounded({ groundingChunks }))).toEqual({})
    expect(await extraOf(grounded({ groundingChunks, searchEntryPoint: { renderedContent: '<div>' } }))).toEqual({
      web_search_requests: 1,
    })
    expect(
      await extraOf(grounded({ groundingChunks: [{ maps: { uri: 'u' } }, { retrievedContext: { uri: 'v' } }, null] })),
    ).toEqual({
      google_maps_requests: 1,
      retrieval_calls: 1,
    })
    expect(await extraOf(grounded({ retrievalQueries: ['a', 'b'], groundingSupports: [] }))).toEqual({ retrieval_calls: 2 })
    expect(await extraOf(grounded({ searchEntryPoint: {}, groundingChunks: [] }))).toEqual({})
  })

  test('pages by their address', async () => {
    const page = { retrievedUrl: 'https://example.com', urlRetrievalStatus: 'URL_RETRIEVAL_STATUS_SUCCESS' }
    const read = (...urlMetadata: readonly object[]): object => ({ candidates: [{ urlContextMetadata: { urlMetadata } }] })
    expect(await extraOf(read(page), read(page, page))).toEqual({ web_fetch_requests: 2 })
  })
})

describe('embeddings', () => {
  test.each([
    ['one', { embedding: { values: [0.1] }, usageMetadata: { promptTokenCount: 8 } }],
    ['some', { embeddings: [{ values: [0.1] }], usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 } }],
    ['a total alone', { embedding: { values: [0.1] }, usageMetadata: { totalTokenCount: 8 } }],
    [
      'many numbers',
      { embedding: { values: Array.from({ length: 20_000 }, (_, n) => n / 7) }, usageMetadata: { promptTokenCount: 8 } },
    ],
  ])('%s: the output is 0, nothing is thought', async (_, answer) => {
    expect(await embedded(answer)).toMatchObject({ inputTokens: 8, outputTokens: 0, reasoningTokens: null, notes: [] })
  })

  test('pictures among them', async () => {
    const usageMetadata = { promptTokenCount: 266, promptTokenDetails: [{ modality: 'IMAGE', tokenCount: 258 }] }
    expect(await embedded({ embedding: {}, usageMetadata })).toMatchObject({ inputTokens: 266, inputImageTokens: 258 })
  })

  test('without usage nothing is known', async () => {
    expect(await embedded({ embedding: { values: [0.1] } })).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      usageSource: 'none',
    })
  })
})

describe('predict', () => {
  test('embeddings: the tokens of all texts, and the characters that are billed', async () => {
    const text = (token_count: number): object => ({
      embeddings: { statistics: { truncated: false, token_count }, values: [0.1] },
    })
    const { usage } = await predicted({ predictions: [text(6), text(9)], metadata: { billableCharacterCount: 41 } })
    expect(usage).toMatchObject({ inputTokens: 15, outputTokens: 0, extra: { characters: 41 }, usageSource: 'wire' }) // 6 + 9
    expect(usage.extra.images).toBeUndefined()
  })

  test('more embeddings than can be parsed are no pictures', async () => {
    const values = Array.from({ length: 3072 }, (_, n) => n / 7)
    const predictions = Array.from({ length: 100 }, () => ({ embeddings: { statistics: { token_count: 6 }, values } }))
    const { usage } = await predicted({ predictions, metadata: { billableCharacterCount: 2000 } })
    expect(usage).toMatchObject({ inputTokens: null, extra: { characters: 2000 } })
    expect(usage.extra.images).toBeUndefined()
  })

  test('pictures: those that were made, not those a filter took away', async () => {
    const answer = await predicted({
      predictions: [
        { mimeType: 'image/png', bytesBase64Encoded: 'aGk=' },
        { mimeType: 'image/png', gcsUri: 'gs://b/o.png' },
        { raiFilteredReason: 'blocked' },
        { safetyAttributes: { categories: [] } },
      ],
    })
    expect(answer).toMatchObject({ content: true, usage: { inputTokens: null, extra: { images: 2 } } })
    expect((await predicted({ predictions: [{ raiFilteredReason: 'blocked' }] })).usage.extra).toEqual({})
    expect((await predicted({})).usage).toMatchObject({ usageSource: 'none', extra: {} })
  })

  test('pictures too large to be parsed are counted', async () => {
    const picture = { mimeType: 'image/png', bytesBase64Encoded: 'A'.repeat(2_500_000) }
    expect((await predicted({ predictions: [picture, picture] })).usage.extra).toEqual({ images: 2 })
  })

  test('older text models', async () => {
    const tokenMetadata = {
      inputTokenCount: { totalTokens: 12, totalBillableCharacters: 40 },
      outputTokenCount: { totalTokens: 5, totalBillableCharacters: 19 },
    }
    const answer = await predicted({ predictions: [{ content: 'Hello' }], metadata: { tokenMetadata } })
    expect(answer).toMatchObject({ contentChars: 5, usage: { inputTokens: 12, outputTokens: 5 } })
  })

  test('an error, alone or in a list', async () => {
    const failed = { error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED' } }
    for (const value of [failed, [failed]])
      expect(await predicted(value, { status: 429 })).toMatchObject({
        error: { kind: 'rate_limit' },
        usage: { usageSource: 'none' },
      })
  })
})

test.each(['gemini', 'vertex', 'my-gemini'])('%s: counting tokens is free', async (provider) => {
  const answer = { totalTokens: 31, totalBillableCharacters: 90, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 31 }] }
  expect((await body(answer, { api: 'count_content_tokens', provider })).usage).toMatchObject({
    inputTokens: null,
    usageSource: 'none',
    reason: 'not_applicable',
  })
})

test('an interaction is asked of a model or of an agent', () => {
  const modelOf = (request: object): string | null =>
    readRequest({
      family: 'gemini',
      api: 'interactions',
      path: '/v1beta/interactions',
      body: Buffer.from(JSON.stringify(request)),
    }).model
  expect(modelOf({ model: 'gemini-2.5-flash', input: 'Hi' })).toBe('gemini-2.5-flash')
  expect(modelOf({ agent: 'deep-research', input: 'x'.repeat(300_000), background: true })).toBe('deep-research')
})

const ours = recordings()
  .filter(({ family }) => family === 'gemini')
  .map((recording) => (recording.path.endsWith('/interactions') ? { ...recording, api: 'interactions' } : recording))
const snake = (usage: Usage): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(usage).map(([field, value]) => [field.replace(/5m|1h|[A-Z]/g, (found) => `_${found.toLowerCase()}`), value]),
  )

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(ours.length).toBeGreaterThan(5)
  })

  const expectTold = (recording: Recording, told: Read, how: string): void => {
    expect(snake(told.usage), how).toMatchObject(recording.expect)
    expect(told, how).toMatchObject({ responseModel: recording.modelResponded, events: recording.events, notes: [] })
    expect(told.usage.usageSource, how).toBe(recording.usageSource)
    expect(told.usage.notes, how).toEqual([])
    const { service_tier: _, ...extra } = recording.extra
    expect(told.usage.extra, how).toMatchObject(extra)
    expect(told.usage.extra.web_search_requests, how).toBe(extra.web_search_requests)
  }

  test.each(ours)('$id: the same figures in every split and coding', async (recording) => {
    const plain = recording.encoding === 'gzip' ? gunzipSync(recording.body) : recording.body
    const answering: Answering = { ...recording, contentEncoding: null }
    for (const { name, pieces } of splitsOf(plain)) expectTold(recording, await read(answering, pieces), name)
    for (const [contentEncoding, bytes] of [
      ['gzip', gzipSync(plain)],
      ['br', brotliCompressSync(plain)],
      ['zstd', storedZstd(plain)],
    ] as const)
      expectTold(recording, await read({ ...answering, contentEncoding }, [bytes]), contentEncoding)
  })
})
