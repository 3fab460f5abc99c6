import { describe, expect, test } from 'vitest'
import { readConversation } from '../../conversation.js'
import { openPriceBook } from '../../prices/book.js'
import { price } from '../../prices/price.js'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { classifyError } from '../classify-error.js'
import { splitsOf } from '../framing/splits.js'
import { readAnswer } from '../read-answer.js'
import { readRequest } from '../read-request.js'

type Facts = AnswerFacts & { readonly terminal: boolean; readonly content: boolean; readonly usage: Usage }

interface Answer {
  readonly api?: string
  readonly text: string
  readonly type?: string | null
  readonly status?: number
  readonly streaming?: boolean
}

const readPieces = (
  { api = 'chat', type = 'application/x-ndjson', status = 200, streaming = true }: Answer,
  pieces: readonly Buffer[],
): Facts => {
  const reader = readAnswer({
    family: 'ollama',
    api,
    provider: 'ollama',
    streaming,
    status,
    contentType: type,
    contentEncoding: null,
  })
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  return { ...facts, terminal: reader.terminal, content: reader.content, usage: readUsage('ollama', api, facts.usageRaw) }
}

/** Reads an answer whole, and checks that every way of arriving gives the same. */
const read = (answer: Answer): Facts => {
  const bytes = Buffer.from(answer.text)
  const whole = readPieces(answer, [bytes])
  for (const { name, pieces } of splitsOf(bytes, 5)) expect(readPieces(answer, pieces), name).toEqual(whole)
  return whole
}

const lines = (...all: readonly object[]): string => all.map((line) => `${JSON.stringify(line)}\n`).join('')
const model = 'qwen3'
const piece = (message: object): object => ({
  model,
  created_at: '2026-01-01T00:00:00Z',
  message: { role: 'assistant', ...message },
  done: false,
})
const done = {
  done: true,
  done_reason: 'stop',
  total_duration: 5_000_000,
  prompt_eval_count: 17,
  eval_count: 50,
}
const last = { model, created_at: '2026-01-01T00:00:01Z', message: { role: 'assistant', content: '' }, ...done }
const body = (value: unknown, api = 'chat', status = 200): Facts =>
  read({ api, text: JSON.stringify(value), type: 'application/json; charset=utf-8', status, streaming: false })

const chatStream = lines(
  piece({ content: '', thinking: 'Hm' }),
  piece({ content: '', thinking: ' "so"' }),
  piece({ content: 'Où là 😀' }),
  piece({ content: 'says "done":true and "error":' }),
  piece({
    content: '',
    tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }, { function: { name: 'g', arguments: {} } }],
  }),
  last,
)

describe('a stream of lines', () => {
  test('content, thinking, calls, model, end and usage', () => {
    const facts = read({ text: chatStream })
    expect(facts).toMatchObject({
      responseModel: model,
      finishReason: 'stop',
      error: null,
      events: 6,
      toolCalls: 2,
      // Thinking 2 + 5, text 8 (the smiling face is two units) + 29, arguments 7 + 2.
      contentChars: 7 + 8 + 29 + 9,
      terminal: true,
      notes: [],
    })
    expect(facts.usage).toMatchObject({
      inputTokens: 17,
      outputTokens: 50,
      cacheReadTokens: null,
      reasoningTokens: null,
      usageSource: 'wire',
    })
  })

  test.each([
    ['application/json', chatStream],
    ['application/x-ndjson', chatStream.replaceAll('\n', '\r\n').trimEnd()],
    ['text/plain', chatStream],
    [null, chatStream],
  ])('the same as %s', (type, text) => {
    expect(read({ text, type })).toEqual(read({ text: chatStream }))
  })

  test('generate: the text lies at the top', () => {
    const text = lines(
      { model, response: '', thinking: 'Hm', done: false },
      { model, response: 'Yes', done: false },
      { model, response: '', context: [1, 2], ...done },
    )
    expect(read({ api: 'completions', text })).toMatchObject({
      contentChars: 5,
      terminal: true,
      usage: { inputTokens: 17, outputTokens: 50 },
    })
  })

  test('cut: neither end nor usage', () => {
    const cut = chatStream.slice(0, chatStream.lastIndexOf('{"model'))
    expect(read({ text: cut })).toMatchObject({ terminal: false, finishReason: null, usage: { usageSource: 'none' } })
  })

  test('an error in the middle', () => {
    const facts = read({
      text: lines(piece({ content: 'Hi' }), { error: 'an error was encountered while running the model: CUDA error' }),
    })
    expect(facts).toMatchObject({ contentChars: 2, error: { kind: 'server', code: '' }, terminal: false })
  })

  test('a line that is no JSON is noted', () => {
    expect(read({ text: `{"model":\n${lines(last)}` })).toMatchObject({ events: 2, notes: ['malformed'], terminal: true })
  })
})

describe('bodies', () => {
  test('chat and generate', () => {
    expect(body({ ...last, message: { role: 'assistant', content: 'Yes', thinking: 'Hm' } })).toMatchObject({
      responseModel: model,
      finishReason: 'stop',
      contentChars: 5,
      events: 1,
      usage: { inputTokens: 17, outputTokens: 50 },
    })
    expect(body({ model, response: 'Yes', ...done }, 'completions')).toMatchObject({ contentChars: 3, finishReason: 'stop' })
  })
  test('embeddings have no output; those of the old path tell nothing', () => {
    const facts = body({ model, embeddings: [[0.1]], total_duration: 9, prompt_eval_count: 8 }, 'embeddings')
    expect(facts.usage).toMatchObject({ inputTokens: 8, outputTokens: 0, usageSource: 'wire' })
    expect(body({ embedding: [0.1] }, 'embeddings').usage).toMatchObject({ inputTokens: null, usageSource: 'none' })
  })
  test('a body of many vectors is scanned', () => {
    const text = JSON.stringify({ model, embeddings: [Array.from({ length: 9000 }, (_, i) => i / 7)], prompt_eval_count: 8 })
    expect(text.length).toBeGreaterThan(64 * 1024)
    const facts = readPieces({ api: 'embeddings', text, type: 'application/json', streaming: false }, [Buffer.from(text)])
    expect(facts).toMatchObject({ responseModel: model, usage: { inputTokens: 8, outputTokens: 0 } })
  })
})

describe('counts', () => {
  const of = (value: object, api = 'chat'): Usage => body({ model, message: { content: 'x' }, done: true, ...value }, api).usage
  test('a prompt that was in the cache is not told: null, not 0', () => {
    expect(of({ done_reason: 'stop', eval_count: 5 })).toMatchObject({ inputTokens: null, outputTokens: 5, usageSource: 'wire' })
    expect(of({ prompt_eval_count: 5 })).toMatchObject({ inputTokens: 5, outputTokens: null })
    expect(of({ prompt_eval_count: 0, eval_count: 0 })).toMatchObject({ inputTokens: 0, outputTokens: 0 })
  })
  test('a model that was only loaded has used nothing', () => {
    expect(of({ done_reason: 'load' })).toMatchObject({ usageSource: 'none', reason: 'not_applicable' })
    expect(of({ done_reason: 'unload' })).toMatchObject({ usageSource: 'none', reason: 'not_applicable' })
    expect(of({})).toMatchObject({ usageSource: 'none', reason: 'not_on_wire' })
  })
  test('no counts', () => {
    expect(of({ prompt_eval_count: -3, eval_count: 'many' })).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      notes: ['malformed'],
    })
  })
})

test('it streams unless it is told not to', () => {
  const asks = (api: string, value: object): boolean =>
    readRequest({ family: 'ollama', api, path: '/api/chat', body: Buffer.from(JSON.stringify(value)) }).streaming
  expect(asks('chat', { model })).toBe(true)
  expect(asks('completions', { model, stream: true })).toBe(true)
  expect(asks('completions', { model, stream: null })).toBe(true)
  expect(asks('chat', { model, stream: false })).toBe(false)
  expect(asks('embeddings', { model })).toBe(false)
})

test('it has no price until somebody gives it one', () => {
  const facts = {
    provider: 'ollama',
    api: 'chat',
    endpoint: 'POST /api/chat',
    outcome: 'complete',
    status: 200,
    requestModel: 'llama3',
    responseModel: 'llama3',
    serverAddress: null,
    asked: {},
    attempt: 1,
  } as const
  const cost = price(read({ text: chatStream }).usage, facts, new Date('2026-08-19T00:00:00Z'), openPriceBook())
  expect(cost).toMatchObject({ totalUsd: null, status: 'unpriced', reason: 'unknown_model' })
})

test.each([
  [404, 'model "nope" not found, try pulling it first', 'not_found'],
  [400, 'the input length exceeds the context length', 'context_length'],
  [400, '"llama2" does not support tools', 'bad_request'],
  [503, 'server busy, please try again.  maximum pending requests exceeded', 'overloaded'],
  [500, 'model requires more system memory (9.1 GiB) than is available (7.2 GiB)', 'server'],
  [429, "you've reached your hourly usage limit, please upgrade to continue", 'quota'],
  [401, 'unauthorized', 'auth'],
  [400, 'something else', 'bad_request'],
])('error %i %s is %s', (status, error, kind) => {
  const answered = { family: 'ollama', provider: 'ollama', status, headers: {}, body: JSON.stringify({ error }) }
  expect(classifyError(answered)).toEqual({ kind, code: String(status), message: error })
  expect(body({ error }, 'chat', status).error).toEqual({ kind, code: String(status), message: error })
})

describe('conversations', () => {
  const blocks = (api: string, request: unknown, answer: string, family = ''): readonly unknown[] =>
    readConversation({ family, api, requestBody: JSON.stringify(request), responseBody: answer, streaming: true })?.messages.map(
      (message) => [message.role, message.blocks],
    ) ?? []
  const text = (words: string): object => ({ type: 'text', text: words })

  test.each(['', 'ollama'])('chat (family "%s")', (family) => {
    const request = {
      messages: [
        { role: 'user', content: 'Hi', images: ['aGk='] },
        { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] },
        { role: 'tool', tool_name: 'f', content: '5' },
      ],
    }
    expect(blocks('chat', request, chatStream, family)).toEqual([
      ['user', [text('Hi'), { type: 'media', kind: 'image', mediaType: '', url: null, bytes: 2 }]],
      ['assistant', [{ type: 'tool_call', id: '', name: 'f', arguments: '{"a":1}' }]],
      ['tool', [{ type: 'tool_result', id: '', name: 'f', text: '5', error: false }]],
      [
        'assistant',
        [
          { type: 'thinking', text: 'Hm "so"', redacted: false },
          text('Où là 😀says "done":true and "error":'),
          { type: 'tool_call', id: '', name: 'f', arguments: '{"a":1}' },
          { type: 'tool_call', id: '', name: 'g', arguments: '{}' },
        ],
      ],
    ])
  })
  test('generate, whole and cut', () => {
    const request = { system: 'Be brief.', prompt: 'Hi' }
    const asked = [
      ['system', [text('Be brief.')]],
      ['user', [text('Hi')]],
    ]
    const answered = ['assistant', [text('Yes')]]
    expect(blocks('completions', request, JSON.stringify({ model, response: 'Yes', done: true }))).toEqual([...asked, answered])
    expect(
      blocks('completions', request, lines({ response: 'Y', done: false }, { response: 'es', done: false }) + '{"respo'),
    ).toEqual([...asked, answered])
  })
  test('embeddings', () => {
    expect(blocks('embeddings', { input: ['a', 'b'] }, '{"embeddings":[[1]]}', 'ollama')).toEqual([
      ['user', [text('a'), text('b')]],
    ])
  })
})
