import { describe, expect, test } from 'vitest'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { readAnswer, type Answering } from '../read-answer.js'

// APIs of OpenAI's form that are no chat. Bodies are those of the documentation of each host, figures worked out by hand.

type Read = Usage & { readonly facts: AnswerFacts; readonly terminal: boolean; readonly content: boolean }

const answering = (api: string, contentType: string, more: Partial<Answering> = {}): Answering => ({
  family: 'openai-chat',
  provider: 'openai',
  streaming: contentType === 'text/event-stream',
  status: 200,
  contentEncoding: null,
  api,
  contentType,
  ...more,
})

const readOnce = (how: Answering, pieces: readonly Buffer[]): Read => {
  const reader = readAnswer(how)
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  return { ...readUsage(how.provider, how.api, facts.usageRaw), facts, terminal: reader.terminal, content: reader.content }
}

const read = (how: Answering, bytes: Buffer): Read => {
  const whole = readOnce(how, [bytes])
  for (const { name, pieces } of splitsOf(bytes, 3)) expect(readOnce(how, pieces), name).toEqual(whole)
  return whole
}

const body = (api: string, value: unknown, provider = 'openai'): Read =>
  read(answering(api, 'application/json', { provider }), Buffer.from(JSON.stringify(value)))

const stream = (api: string, events: readonly unknown[], provider = 'openai'): Read =>
  read(
    answering(api, 'text/event-stream', { provider }),
    Buffer.from(events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\r\n\r\n`).join('')),
  )

describe('transcripts', () => {
  test('by tokens, as a stream in CRLF', () => {
    const usage = {
      type: 'tokens',
      total_tokens: 49,
      input_tokens: 37,
      input_token_details: { text_tokens: 7, audio_tokens: 30 },
      output_tokens: 12,
    }
    const answer = stream('transcription', [
      { type: 'transcript.text.delta', delta: 'Olá' },
      { type: 'transcript.text.delta', delta: ' 👋' },
      { type: 'transcript.text.segment', id: 's', text: 'Olá 👋', start: 0, end: 1 },
      { type: 'transcript.text.done', text: 'Olá 👋', usage },
      '[DONE]',
    ])
    expect(answer).toMatchObject({
      inputTokens: 37,
      outputTokens: 12,
      inputAudioTokens: 30,
      extra: {},
      usageSource: 'wire',
      terminal: true,
    })
    // Olá 3, space and emoji 3
    expect(answer.facts).toMatchObject({ contentChars: 6, events: 4, notes: [] })
  })
  test('by the second', () => {
    expect(body('transcription', { text: 'Hi', usage: { type: 'duration', seconds: 9 } })).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      extra: { audio_seconds: 9 },
      usageSource: 'wire',
    })
  })
  test('verbose: the seconds that are billed go before those that were heard', () => {
    const verbose = { task: 'transcribe', language: 'english', duration: 8.47, text: 'Hi', segments: [] }
    expect(body('transcription', verbose).extra).toEqual({ audio_seconds: 8.47 })
    expect(body('transcription', { ...verbose, duration: '8.470000267028809' }).extra).toEqual({
      audio_seconds: 8.470000267028809,
    })
    expect(body('transcription', { ...verbose, usage: { type: 'duration', seconds: 9 } }).extra).toEqual({ audio_seconds: 9 })
    expect(body('transcription', { ...verbose, duration: -1 })).toMatchObject({ extra: {}, usageSource: 'none' })
  })
  test('Groq tells an id, and of the sound nothing but its length', () => {
    const answer = body('transcription', { text: 'Hi', x_groq: { id: 'req_1' } }, 'groq')
    expect(answer).toMatchObject({ usageSource: 'none', reason: 'not_on_wire' })
    expect(answer.facts).toMatchObject({ responseId: 'req_1', contentChars: 2 })
    expect(body('transcription', { text: 'Hi', duration: 10, x_groq: { id: 'req_1' } }, 'groq').extra).toEqual({
      audio_seconds: 10,
    })
  })
  test('OpenRouter tells the cost', () => {
    expect(
      body(
        'transcription',
        { text: 'Hi', usage: { total_tokens: 49, input_tokens: 37, output_tokens: 12, cost: 0.00010625 } },
        'openrouter',
      ),
    ).toMatchObject({
      inputTokens: 37,
      outputTokens: 12,
      providerCostUsd: '0.00010625',
    })
  })
  test('Mistral: the total alone tells the sound: 3264 - 4 - 635', () => {
    const usage = { prompt_audio_seconds: 203, prompt_tokens: 4, total_tokens: 3264, completion_tokens: 635 }
    const figures = { inputTokens: 2629, outputTokens: 635, inputAudioTokens: 2625, extra: { audio_seconds: 203 }, notes: [] }
    expect(
      body('transcription', { model: 'voxtral-mini-2507', text: 'Hi', language: 'en', segments: [], usage }, 'mistral'),
    ).toMatchObject(figures)
    // 404 - 5 - 24 = 375 of sound, 368 of the 380 from the cache.
    const cached = { prompt_audio_seconds: 5, prompt_tokens: 5, total_tokens: 404, completion_tokens: 24 }
    const more = { ...cached, prompt_tokens_details: { cached_tokens: 368 } }
    expect(body('transcription', { text: 'Hi', usage: more }, 'mistral')).toMatchObject({
      inputTokens: 380,
      outputTokens: 24,
      inputAudioTokens: 375,
      cacheReadTokens: 368,
      notes: [],
    })
    const events = [
      { type: 'transcription.language', audio_language: 'en' },
      { type: 'transcription.text.delta', text: 'Hi' },
      { type: 'transcription.done', model: 'voxtral-mini-2507', text: 'Hi', usage },
    ]
    const named = Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
    const answer = read(answering('transcription', 'text/event-stream', { provider: 'mistral' }), named)
    expect(answer).toMatchObject({ ...figures, terminal: true })
    expect(answer.facts).toMatchObject({ responseModel: 'voxtral-mini-2507', contentChars: 2 })
  })
  test('vLLM: chunks as of a chat', () => {
    const part = (content: string): object => ({
      id: 't',
      object: 'transcription.chunk',
      model: 'w',
      choices: [{ delta: { content }, finish_reason: null }],
    })
    const last = { id: 't', model: 'w', choices: [], usage: { prompt_tokens: 200, total_tokens: 206, completion_tokens: 6 } }
    const answer = stream('transcription', [part('Mary'), part(' had'), last, '[DONE]'], 'vllm')
    expect(answer).toMatchObject({ inputTokens: 200, outputTokens: 6, terminal: true })
    expect(answer.facts.contentChars).toBe(8)
  })
  test('plain text and subtitles tell no usage, whatever they begin with', () => {
    for (const [type, text, chars] of [
      ['text/plain; charset=utf-8', '[Music] Olá 👋\n', 15],
      ['text/vtt', 'WEBVTT\n\n00:00.000 --> 00:01.000\n{la} la\n', 40],
      ['application/x-subrip', '1\n00:00:00,000 --> 00:00:01,000\nHi\n', 35],
    ] as const) {
      const answer = read(answering('transcription', type), Buffer.from(text))
      expect(answer, type).toMatchObject({ usageSource: 'none', reason: 'not_on_wire' })
      expect(answer.facts, type).toMatchObject({ contentChars: chars, notes: [], error: null })
    }
  })
  test('an error in the stream', () => {
    const error = { type: 'error', error: { type: 'server_error', code: 'server_error', message: 'broke' } }
    expect(stream('transcription', [{ type: 'transcript.text.delta', delta: 'Hi' }, error]).facts.error).toMatchObject({
      kind: 'server',
      message: 'broke',
    })
  })
})

describe('speech', () => {
  test('sound is not read', () => {
    for (const type of ['audio/mpeg', 'application/octet-stream', 'audio/pcm']) {
      const answer = read(answering('speech', type), Buffer.from([0xff, 0xf3, 0x7b, 0x5b, 0x00, 0x64, 0x61, 0x74, 0x61, 0x3a]))
      expect(answer, type).toMatchObject({ inputTokens: null, outputTokens: null, usageSource: 'none', reason: 'not_on_wire' })
      expect(answer.facts, type).toMatchObject({ notes: [], error: null })
    }
  })
  test('as events, the last tells', () => {
    const answer = stream('speech', [
      { type: 'speech.audio.delta', audio: '//PExAA=' },
      { type: 'speech.audio.delta', audio: '//PExAA=' },
      { type: 'speech.audio.done', usage: { input_tokens: 14, output_tokens: 101, total_tokens: 115 } },
    ])
    expect(answer).toMatchObject({ inputTokens: 14, outputTokens: 101, usageSource: 'wire', terminal: true, content: true })
  })
})

describe('pictures', () => {
  const usage = {
    total_tokens: 100,
    input_tokens: 50,
    output_tokens: 50,
    input_tokens_details: { text_tokens: 10, image_tokens: 40 },
  }

  test('by tokens: their number is then no quantity of its own', () => {
    expect(body('images', { created: 1, data: [{ b64_json: 'AAAA' }], usage })).toMatchObject({
      inputTokens: 50,
      outputTokens: 50,
      inputImageTokens: 40,
      outputImageTokens: null,
      extra: {},
      usageSource: 'wire',
    })
    expect(
      body('images', { data: [{}], usage: { ...usage, output_tokens_details: { image_tokens: 45, text_tokens: 5 } } })
        .outputImageTokens,
    ).toBe(45)
  })
  test('DALL-E tells nothing but the pictures', () => {
    expect(body('images', { created: 1, data: [{ url: 'https://x' }, { url: 'https://y' }] })).toMatchObject({
      inputTokens: null,
      extra: { images: 2 },
      usageSource: 'none',
      reason: 'not_on_wire',
    })
    expect(body('images', { created: 1, data: [] }).extra).toEqual({})
  })
  test('a cost without tokens: the pictures count as well', () => {
    expect(body('images', { data: [{}], usage: { cost_in_usd_ticks: 700_000_000 } }, 'xai')).toMatchObject({
      extra: { images: 1 },
      providerCostUsd: '0.07',
      usageSource: 'wire',
    })
  })
  test('of megabytes nothing is held: the usage behind them is found, and they are counted', () => {
    const data = Array.from({ length: 3 }, (_, n) => ({ b64_json: 'A'.repeat(100_000), revised_prompt: `"{[${n}` }))
    const how = answering('images', 'application/json')
    expect(readOnce(how, [Buffer.from(JSON.stringify({ created: 1, data, usage }))])).toMatchObject({
      inputTokens: 50,
      outputTokens: 50,
      extra: {},
    })
    expect(readOnce(how, [Buffer.from(JSON.stringify({ data, created: 1 }))])).toMatchObject({
      extra: { images: 3 },
      usageSource: 'none',
    })
  })
  test('as events, of making and of editing', () => {
    const answer = stream('images', [
      { type: 'image_generation.partial_image', b64_json: 'AAAA', partial_image_index: 0 },
      { type: 'image_generation.completed', b64_json: 'AAAA', quality: 'high', usage },
    ])
    expect(answer).toMatchObject({ inputTokens: 50, inputImageTokens: 40, extra: {}, content: true })
    expect(answer.facts).toMatchObject({ finishReason: 'completed', events: 2 })
    expect(
      stream('images', [
        { type: 'image_edit.completed', b64_json: 'A' },
        { type: 'image_edit.completed', b64_json: 'A' },
      ]),
    ).toMatchObject({ extra: { images: 2 } })
    expect(stream('images', [{ created: 1, data: [{ url: 'https://x' }] }, '[DONE]'])).toMatchObject({
      extra: { images: 1 },
      terminal: true,
    })
    expect(stream('images', [{ type: 'image_edit.failed', message: 'broke' }]).facts.error).toMatchObject({ message: 'broke' })
    expect(stream('images', [{ type: 'error', error: { code: 'moderation_blocked', message: 'no' } }]).facts).toMatchObject({
      error: { kind: 'content_policy' },
      finishReason: null,
    })
  })
})

describe('other objects', () => {
  test('a batch tells its usage at every poll', () => {
    const batch = {
      id: 'batch_1',
      object: 'batch',
      model: 'gpt-5-nano',
      errors: null,
      status: 'completed',
      usage: { input_tokens: 36, output_tokens: 224, total_tokens: 260 },
    }
    const answer = body('batch', batch)
    expect(answer).toMatchObject({ inputTokens: 36, outputTokens: 224 })
    expect(answer.facts).toMatchObject({ responseId: 'batch_1', finishReason: 'completed', error: null })
    expect(body('batch', { ...batch, status: 'validating', usage: null })).toMatchObject({ usageSource: 'none' })
  })
  test('OCR: pages', () => {
    const answer = body(
      'ocr',
      { pages: [{ markdown: '# Hi' }], model: 'mistral-ocr-latest', usage_info: { pages_processed: 3, doc_size_bytes: 18_810 } },
      'mistral',
    )
    expect(answer).toMatchObject({ inputTokens: null, outputTokens: null, extra: { pages: 3 }, usageSource: 'wire' })
    expect(answer.facts).toMatchObject({ responseModel: 'mistral-ocr-latest', contentChars: 4 })
  })
  test('rerank: search units, tokens, or a total alone', () => {
    expect(body('rerank', { results: [], meta: { api_version: {}, billed_units: { search_units: 2 } } })).toMatchObject({
      inputTokens: null,
      extra: { search_units: 2 },
    })
    expect(body('rerank', { model: 'jina', usage: { total_tokens: 815 }, results: [] })).toMatchObject({
      inputTokens: 815,
      outputTokens: 0,
    })
    expect(body('rerank', { usage: { prompt_tokens: 20, completion_tokens: 0, total_tokens: 20 } }, 'together')).toMatchObject({
      inputTokens: 20,
      outputTokens: 0,
    })
    expect(body('rerank', { usage: { search_units: 1, total_tokens: 9, cost: 0.002 } }, 'openrouter')).toMatchObject({
      inputTokens: 9,
      extra: { search_units: 1 },
      providerCostUsd: '0.002',
    })
  })
  test('moderation is free where nothing is told', () => {
    expect(body('moderations', { id: 'modr-1', model: 'omni-moderation-latest', results: [] })).toMatchObject({
      usageSource: 'none',
      reason: 'not_applicable',
    })
    expect(
      body(
        'moderations',
        { id: 'm', model: 'mistral-moderation-latest', usage: { prompt_tokens: 9, total_tokens: 9 } },
        'mistral',
      ),
    ).toMatchObject({
      inputTokens: 9,
      outputTokens: 0,
      usageSource: 'wire',
    })
  })
  test('embeddings, as numbers, as base64, and with a total alone', () => {
    expect(
      body('embeddings', { data: [{ embedding: [0.5, 1] }], model: 'e', usage: { prompt_tokens: 8, total_tokens: 8 } }),
    ).toMatchObject({ inputTokens: 8, outputTokens: 0 })
    expect(
      body('embeddings', { data: [{ embedding: 'AACAPw==' }], model: 'e', usage: { prompt_tokens: 8, total_tokens: 8 } }),
    ).toMatchObject({ inputTokens: 8 })
    expect(body('embeddings', { data: [], model: 'voyage-3', usage: { total_tokens: 10 } })).toMatchObject({
      inputTokens: 10,
      outputTokens: 0,
      notes: [],
    })
    expect(body('embeddings', { data: [], model: 'e' })).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      usageSource: 'none',
    })
  })
})
