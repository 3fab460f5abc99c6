import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readConversation } from '../../conversation.js'
import { openPriceBook } from '../../prices/book.js'
import type { Cost } from '../../prices/cost.js'
import { price } from '../../prices/price.js'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { classifyError } from '../classify-error.js'
import { splitsOf } from '../framing/splits.js'
import { readAnswer } from '../read-answer.js'

type Facts = AnswerFacts & { readonly terminal: boolean; readonly content: boolean; readonly usage: Usage }

interface Answer {
  readonly api?: string
  readonly text: string
  readonly type?: string | null
  readonly status?: number
  readonly streaming?: boolean
}

const readPieces = (
  { api = 'chat', type = 'text/event-stream', status = 200, streaming = true }: Answer,
  pieces: readonly Buffer[],
): Facts => {
  const reader = readAnswer({
    family: 'cohere',
    api,
    provider: 'cohere',
    streaming,
    status,
    contentType: type,
    contentEncoding: null,
  })
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  return { ...facts, terminal: reader.terminal, content: reader.content, usage: readUsage('cohere', api, facts.usageRaw) }
}

/** Reads an answer whole, and checks that every way of arriving gives the same. */
const read = (answer: Answer): Facts => {
  const bytes = Buffer.from(answer.text)
  const whole = readPieces(answer, [bytes])
  for (const { name, pieces } of splitsOf(bytes, 5)) expect(readPieces(answer, pieces), name).toEqual(whole)
  return whole
}

const sse = (...events: readonly (Record<string, unknown> & { type: string })[]): string =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
const lines = (...events: readonly object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('')
const body = (value: unknown, api = 'chat', status = 200): Facts =>
  read({ api, text: JSON.stringify(value), type: 'application/json', status, streaming: false })

const end = (delta: object): { type: string; delta: object } => ({ type: 'message-end', delta })
const delta = (type: string, message: object, index = 0): { type: string; index: number; delta: object } => ({
  type,
  index,
  delta: { message },
})
const usage = { billed_units: { input_tokens: 68, output_tokens: 8 }, tokens: { input_tokens: 1591, output_tokens: 38 } }

const chatStream = sse(
  { id: 'c-1', type: 'message-start', delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [] } } },
  delta('tool-plan-delta', { tool_plan: 'I will lo' }),
  delta('tool-plan-delta', { tool_plan: 'ok.' }),
  delta('tool-call-start', { tool_calls: { id: 't1', type: 'function', function: { name: 'find', arguments: '' } } }),
  delta('tool-call-delta', { tool_calls: { function: { arguments: '{"q":' } } }),
  delta('tool-call-delta', { tool_calls: { function: { arguments: '"é"}' } } }),
  { type: 'tool-call-end', index: 0 },
  delta('content-start', { content: { type: 'thinking', thinking: '' } }),
  delta('content-delta', { content: { thinking: 'Hm' } }),
  { type: 'content-end', index: 0 },
  delta('content-start', { content: { type: 'text', text: '' } }, 1),
  delta('content-delta', { content: { type: 'text', text: 'Où "là' } }, 1),
  {
    ...delta('content-delta', { content: { text: '\n😀' } }, 1),
    logprobs: { token_ids: [1], text: 'not again', logprobs: [-1] },
  },
  delta('citation-start', { citations: { start: 0, end: 2, text: 'Où', sources: [] } }),
  { type: 'citation-end', index: 0 },
  end({ finish_reason: 'TOOL_CALL', usage: { ...usage, cached_tokens: 992 } }),
)

describe('version 2, streamed', () => {
  test('content, calls, id, end and usage', () => {
    const facts = read({ text: `${chatStream}data: [DONE]\n\n` })
    expect(facts).toMatchObject({
      responseId: 'c-1',
      responseModel: null,
      finishReason: 'TOOL_CALL',
      error: null,
      events: 16,
      toolCalls: 1,
      // 9 + 3 of the plan, 5 + 4 of arguments, 2 of thinking, 6 + 3 of text (the smiling face is two units).
      contentChars: 12 + 9 + 2 + 9,
      terminal: true,
      notes: [],
    })
    expect(facts.usage).toMatchObject({
      inputTokens: 1591,
      outputTokens: 38,
      cacheReadTokens: 992,
      cacheWriteTokens: null,
      reasoningTokens: null,
      extra: { billed_input_tokens: 68, billed_output_tokens: 8 },
      usageSource: 'wire',
      notes: [],
    })
  })

  test('without [DONE] it has its reason; cut before message-end it has neither reason nor usage', () => {
    expect(read({ text: chatStream })).toMatchObject({ terminal: false, finishReason: 'TOOL_CALL' })
    const cut = read({ text: chatStream.slice(0, chatStream.indexOf('event: message-end')) })
    expect(cut).toMatchObject({ terminal: false, finishReason: null, contentChars: 32, usage: { usageSource: 'none' } })
  })

  test.each([
    [{ finish_reason: 'ERROR', error: 'model overloaded', usage }, 'overloaded', 'ERROR'],
    [{ finish_reason: 'ERROR', usage }, 'server', 'ERROR'],
    [{ finish_reason: 'ERROR_TOXIC' }, 'content_policy', 'ERROR_TOXIC'],
    [{ finish_reason: 'ERROR_LIMIT' }, 'context_length', 'ERROR_LIMIT'],
    [{ finish_reason: 'TIMEOUT' }, 'server', 'TIMEOUT'],
    [{ finish_reason: null, error: 'too many tokens' }, 'context_length', 'ERROR'],
  ])('a generation that failed: %j', (delta, kind, code) => {
    expect(read({ text: sse(end(delta)) }).error).toMatchObject({ kind, code })
  })

  test('an error between events; events nobody knows; data that is no JSON', () => {
    const facts = read({
      text: `data: {"message":"internal server error","id":"x"}\n\nevent: new-thing\ndata: {"type":"new-thing","delta":{"message":null}}\n\ndata: {"type":\n\n`,
    })
    expect(facts).toMatchObject({
      events: 3,
      error: { kind: 'server', message: 'internal server error' },
      notes: ['malformed', 'last_event_malformed'],
    })
  })
})

describe('version 2, whole', () => {
  test('a body', () => {
    const facts = body({
      id: 'c-2',
      finish_reason: 'COMPLETE',
      message: {
        role: 'assistant',
        tool_plan: 'Plan',
        content: [
          { type: 'thinking', thinking: 'Hm' },
          { type: 'text', text: 'Yes' },
        ],
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{"a":1}' } },
        ],
      },
      usage,
    })
    // 4 + 2 + 3, and 2 + 7 of arguments.
    expect(facts).toMatchObject({ responseId: 'c-2', finishReason: 'COMPLETE', toolCalls: 2, contentChars: 18, error: null })
    expect(facts.usage).toMatchObject({ inputTokens: 1591, outputTokens: 38, cacheReadTokens: null })
  })
  test('content as a text, usage null', () => {
    expect(body({ id: 'c', finish_reason: 'MAX_TOKENS', message: { content: 'abc' }, usage: null })).toMatchObject({
      contentChars: 3,
      usage: { usageSource: 'none', reason: 'not_on_wire', inputTokens: null },
    })
  })
})

const start1 = { is_finished: false, event_type: 'stream-start', generation_id: 'g-1' }
const meta = {
  api_version: { version: '1' },
  billed_units: { input_tokens: 5, output_tokens: 3 },
  tokens: { input_tokens: 71, output_tokens: 4 },
}
const ended1 = (response: object): object => ({
  is_finished: true,
  event_type: 'stream-end',
  finish_reason: 'COMPLETE',
  response: { response_id: 'r-1', generation_id: 'g-1', finish_reason: 'COMPLETE', meta, ...response },
})

describe('version 1', () => {
  const said = [
    start1,
    { is_finished: false, event_type: 'text-generation', text: 'Hé' },
    { is_finished: false, event_type: 'text-generation', text: '"!' },
  ]
  const events = [...said, ended1({ text: 'Hé"!', chat_history: [{ role: 'USER', message: 'Hi' }] })]

  test.each([
    ['application/stream+json', lines(...events)],
    ['application/x-ndjson', lines(...events).trimEnd()],
    ['application/json', lines(...events).replaceAll('\n', '\r\n')],
    [null, lines(...events)],
    ['text/event-stream', events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')],
  ])('a stream as %s', (type, text) => {
    const facts = read({ text, type })
    expect(facts).toMatchObject({
      events: 4,
      responseId: 'r-1',
      finishReason: 'COMPLETE',
      contentChars: 4,
      terminal: true,
      notes: [],
    })
    expect(facts.usage).toMatchObject({
      inputTokens: 71,
      outputTokens: 4,
      extra: { billed_input_tokens: 5, billed_output_tokens: 3 },
    })
  })

  test('a stream whose text comes in its last event alone', () => {
    expect(read({ text: lines(start1, ended1({ text: 'Hello' })), type: null })).toMatchObject({
      contentChars: 5,
      terminal: true,
    })
  })

  test('calls in pieces, told again whole and once more at the end, are counted once', () => {
    const tool_calls = [{ name: 'f', parameters: { a: 1 } }]
    const pieces = [
      { is_finished: false, event_type: 'tool-calls-chunk', text: 'I will' },
      { is_finished: false, event_type: 'tool-calls-chunk', tool_call_delta: { index: 0, name: 'f' } },
      { is_finished: false, event_type: 'tool-calls-chunk', tool_call_delta: { index: 0, parameters: '{"a":1}' } },
      { is_finished: false, event_type: 'tool-calls-generation', tool_calls },
    ]
    // 6 of the plan, 7 of the arguments.
    expect(read({ text: lines(...pieces, ended1({ text: 'I will', tool_calls })), type: null })).toMatchObject({
      toolCalls: 1,
      contentChars: 13,
    })
    expect(read({ text: lines(pieces[3] ?? {}, ended1({ tool_calls })), type: null })).toMatchObject({
      toolCalls: 1,
      contentChars: 7,
    })
  })

  test('a body, and one of the days before `tokens`', () => {
    const facts = body({
      response_id: 'r',
      generation_id: 'g',
      text: 'Hi',
      finish_reason: 'COMPLETE',
      tool_calls: [{ name: 'f', parameters: {} }],
      meta,
    })
    expect(facts).toMatchObject({ responseId: 'r', contentChars: 4, toolCalls: 1, usage: { inputTokens: 71, outputTokens: 4 } })
    expect(body({ text: 'Hi', meta: { billed_units: { input_tokens: 5, output_tokens: 3 } } }).usage).toMatchObject({
      inputTokens: 5,
      outputTokens: 3,
    })
  })
})

describe('what answers with one object', () => {
  test('embeddings: billed units alone, the output is not told', () => {
    const facts = body(
      { id: 'e', embeddings: { float: [[0.1]] }, meta: { billed_units: { input_tokens: 7, image_tokens: 0 } } },
      'embeddings',
    )
    expect(facts).toMatchObject({ responseId: 'e', content: false })
    expect(facts.usage).toMatchObject({
      inputTokens: 7,
      outputTokens: null,
      inputImageTokens: null,
      extra: { billed_input_tokens: 7 },
      usageSource: 'wire',
    })
  })
  test('pictures: their tokens are input', () => {
    expect(body({ meta: { billed_units: { input_tokens: 4, image_tokens: 300 } } }, 'embeddings').usage).toMatchObject({
      inputTokens: 304,
      inputImageTokens: 300,
      extra: { billed_input_tokens: 4, billed_image_tokens: 300 },
    })
    expect(body({ meta: { billed_units: { images: 2 } } }, 'embeddings').usage).toMatchObject({
      inputTokens: null,
      extra: { billed_images: 2 },
    })
  })
  test('a body of many vectors is scanned', () => {
    const vectors = Array.from({ length: 40 }, () => Array.from({ length: 300 }, (_, i) => i / 7))
    const large = { id: 'e', texts: ['a'], embeddings: vectors, meta: { billed_units: { input_tokens: 9 } } }
    const text = JSON.stringify(large)
    expect(text.length).toBeGreaterThan(64 * 1024)
    const facts = readPieces({ api: 'embeddings', text, type: 'application/json', streaming: false }, [Buffer.from(text)])
    expect(facts).toMatchObject({ responseId: 'e', usage: { inputTokens: 9 } })
  })
  test('rankings: searches', () => {
    const facts = body(
      { id: 'r', results: [{ index: 0, relevance_score: 0.9 }], meta: { billed_units: { search_units: 2 } } },
      'rerank',
    )
    expect(facts.usage).toMatchObject({ inputTokens: null, outputTokens: null, extra: { search_units: 2 }, usageSource: 'wire' })
  })
})

describe('usage that contradicts itself', () => {
  const of = (told: unknown): Usage => readUsage('cohere', 'chat', [{ source: 'cohere.usage', json: JSON.stringify(told) }])
  test('a 0 that is told stays 0; what is not told is null', () => {
    expect(
      of({ billed_units: { input_tokens: 0, output_tokens: 0 }, tokens: { input_tokens: 3, output_tokens: 0 } }),
    ).toMatchObject({
      inputTokens: 3,
      outputTokens: 0,
      extra: { billed_input_tokens: 0, billed_output_tokens: 0 },
    })
    expect(of({})).toMatchObject({ inputTokens: null, outputTokens: null, usageSource: 'none' })
  })
  test('negative, no number, more cached than there was', () => {
    expect(of({ billed_units: { input_tokens: -1 }, tokens: { input_tokens: 'many', output_tokens: 2 } })).toMatchObject({
      inputTokens: null,
      outputTokens: 2,
      extra: {},
      notes: ['malformed'],
    })
    expect(of({ tokens: { input_tokens: 5, output_tokens: 1 }, cached_tokens: 9 })).toMatchObject({
      cacheReadTokens: 5,
      notes: ['clamped_cache_read'],
    })
  })
})

describe('what it costs', () => {
  const book = openPriceBook()
  const cost = (api: string, model: string, told: unknown, source = 'cohere.meta'): Cost =>
    price(
      readUsage('cohere', api, [{ source, json: JSON.stringify(told) }]),
      {
        provider: 'cohere',
        api,
        endpoint: `POST /v2/${api}`,
        outcome: 'complete',
        status: 200,
        requestModel: model,
        responseModel: null,
        serverAddress: null,
        asked: {},
        attempt: 1,
      },
      new Date('2026-08-19T00:00:00Z'),
      book,
    )
  test('chat by what is billed: 68 at 2.50 and 8 at 10 a million', () => {
    // 68 x 2.50 = 170, 8 x 10 = 80; 250 / 10^6.
    expect(cost('chat', 'command-a-03-2025', { ...usage, cached_tokens: 992 }, 'cohere.usage')).toMatchObject({
      totalUsd: '0.00025',
      status: 'exact',
    })
  })
  test('pictures by their own price: 4 at 0.12 and 300 at 0.47 a million', () => {
    // 4 x 0.12 = 0.48, 300 x 0.47 = 141; 141.48 / 10^6.
    expect(cost('embeddings', 'embed-v4.0', { billed_units: { input_tokens: 4, image_tokens: 300 } })).toMatchObject({
      totalUsd: '0.00014148',
      status: 'exact',
    })
  })
  test('pictures billed by the piece have no price, and are not free', () => {
    expect(cost('embeddings', 'embed-english-v3.0', { billed_units: { images: 2, input_tokens: 0 } })).toMatchObject({
      status: 'unpriced',
      totalUsd: null,
    })
  })
  test('rankings by the search: 2 at 2 a thousand', () => {
    expect(cost('rerank', 'rerank-v3.5', { billed_units: { search_units: 2 } })).toMatchObject({
      totalUsd: '0.004',
      status: 'exact',
    })
  })
})

test.each([
  [401, { message: 'invalid api token' }, 'auth'],
  [404, { id: 'x', message: "model 'nope' not found, make sure the correct model ID was used" }, 'not_found'],
  [400, { message: 'too many tokens: size limit exceeded by 10 tokens.', data: null }, 'context_length'],
  [429, { message: 'You are using a Trial key, which is limited to 40 API calls / minute.' }, 'rate_limit'],
  [429, { message: 'You are using a Trial key, which is limited to 1000 API calls / month.' }, 'quota'],
  [402, { message: 'Please add or update your payment method to continue.' }, 'quota'],
  [498, { message: 'The request was blocked.' }, 'content_policy'],
  [422, { data: 'no message' }, 'bad_request'],
  [400, { message: 'invalid request: message must be at least 1 token long' }, 'bad_request'],
  [500, { message: 'internal server error, this has been reported to our developers. id 5' }, 'server'],
])('error %i %j is %s', (status, value, kind) => {
  const answered = { family: 'cohere', provider: 'cohere', status, headers: {}, body: JSON.stringify(value) }
  expect(classifyError(answered)).toMatchObject({ kind, code: String(status) })
  expect(body(value, 'chat', status).error?.kind).toBe(kind)
})

describe('conversations', () => {
  const blocks = (api: string, request: unknown, answer: string, family = ''): readonly unknown[] =>
    readConversation({
      family,
      api,
      requestBody: request === null ? '' : JSON.stringify(request),
      responseBody: answer,
      streaming: false,
    })?.messages.map((message) => [message.role, message.blocks]) ?? []
  const text = (words: string): object => ({ type: 'text', text: words })

  test.each(['', 'cohere'])('version 2, streamed (family "%s")', (family) => {
    const request = {
      documents: ['Doc', { data: { title: 'T' } }],
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'image_url', image_url: { url: 'https://a/b' } },
          ],
        },
        { role: 'assistant', tool_plan: 'Look', tool_calls: [{ id: 't', function: { name: 'f', arguments: '{}' } }] },
        { role: 'tool', tool_call_id: 't', content: [{ type: 'document', document: { data: 'd' } }] },
      ],
    }
    const asked = [
      ['system', [text('Doc'), { type: 'other', label: 'document', json: '{"data":{"title":"T"}}' }]],
      ['system', [text('Be brief.')]],
      ['user', [text('Hi'), { type: 'media', kind: 'image', mediaType: '', url: 'https://a/b', bytes: null }]],
      ['assistant', [text('Look'), { type: 'tool_call', id: 't', name: 'f', arguments: '{}' }]],
      ['tool', [{ type: 'tool_result', id: 't', name: '', text: '{"type":"document","document":{"data":"d"}}', error: false }]],
    ]
    expect(blocks('chat', request, '', family)).toEqual(asked)
    expect(blocks('chat', request, chatStream, family)).toEqual([
      ...asked,
      [
        'assistant',
        [
          text('I will look.'),
          { type: 'tool_call', id: 't1', name: 'find', arguments: '{"q":"é"}' },
          { type: 'thinking', text: 'Hm', redacted: false },
          text('Où "là\n😀'),
        ],
      ],
    ])
  })
  test('version 1, whole and streamed', () => {
    const request = { preamble: 'Be brief.', chat_history: [{ role: 'CHATBOT', message: 'Yes?' }], message: 'Hi' }
    const asked = [
      ['system', [text('Be brief.')]],
      ['assistant', [text('Yes?')]],
      ['user', [text('Hi')]],
    ]
    const tool_calls = [{ name: 'f', parameters: { a: 1 } }]
    const answered = ['assistant', [text('Hé'), { type: 'tool_call', id: '', name: 'f', arguments: '{"a":1}' }]]
    expect(blocks('chat', request, JSON.stringify({ text: 'Hé', tool_calls }))).toEqual([...asked, answered])
    for (const events of [
      [
        start1,
        { event_type: 'text-generation', text: 'Hé' },
        { event_type: 'tool-calls-generation', tool_calls },
        ended1({ text: 'Hé', tool_calls }),
      ],
      [
        start1,
        { event_type: 'text-generation', text: 'Hé' },
        { event_type: 'tool-calls-chunk', tool_call_delta: { index: 0, name: 'f' } },
        { event_type: 'tool-calls-chunk', tool_call_delta: { index: 0, parameters: '{"a":1}' } },
        { event_type: 'tool-calls-generation', tool_calls },
      ],
      [start1, ended1({ text: 'Hé', tool_calls })],
    ])
      expect(blocks('chat', request, lines(...events))).toEqual([...asked, answered])
  })
  test('embeddings', () => {
    expect(blocks('embeddings', { texts: ['a', 'b'] }, '{"embeddings":[[1]]}')).toEqual([
      ['user', [text('a')]],
      ['user', [text('b')]],
    ])
    expect(
      blocks('embeddings', { inputs: [{ content: [{ type: 'text', text: 'a' }] }], images: ['data:image/png;base64,aGk='] }, ''),
    ).toEqual([
      ['user', [text('a')]],
      ['user', [{ type: 'media', kind: 'image', mediaType: 'image/png', url: null, bytes: 2 }]],
    ])
  })
  test('OpenAI’s form is not taken for it', () => {
    const answer = JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Yes' } }] })
    expect(blocks('chat', { messages: [{ role: 'user', content: 'Hi' }], documents: ['D'] }, answer)).toEqual([
      ['user', [text('Hi')]],
      ['assistant', [text('Yes')]],
    ])
  })
})

test('whatever an event holds, nothing is thrown', () => {
  const keys = [
    'type',
    'event_type',
    'delta',
    'message',
    'content',
    'tool_calls',
    'function',
    'arguments',
    'finish_reason',
    'usage',
    'meta',
    'response',
    'text',
    'error',
    'tool_call_delta',
    'billed_units',
  ]
  const words = fc.constantFrom<unknown>(
    'message-end',
    'content-delta',
    'stream-end',
    'tool-calls-chunk',
    'ERROR',
    '',
    null,
    7,
    [],
    [null],
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      words,
      fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 5 }),
      fc.array(tie('value'), { maxLength: 2 }),
    ),
  }))
  fc.assert(
    fc.property(value, fc.boolean(), (told, streaming) => {
      const text = JSON.stringify(told)
      for (const family of ['cohere', 'ollama']) {
        const reader = readAnswer({
          family,
          api: 'chat',
          provider: family,
          streaming,
          status: 200,
          contentType: streaming ? 'application/x-ndjson' : 'application/json',
          contentEncoding: null,
        })
        reader.push(Buffer.from(text))
        void reader.end()
        const { notes, contentChars } = reader.facts()
        expect(notes).not.toContain('reader_failed')
        expect(Number.isInteger(contentChars)).toBe(true)
        readConversation({ family, api: 'chat', requestBody: text, responseBody: text, streaming })
      }
    }),
    { numRuns: 3000 },
  )
})
