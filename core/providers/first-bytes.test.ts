import { describe, expect, test } from 'vitest'
import type { AnswerFacts } from './answer.js'
import { splitsOf } from './framing/splits.js'
import { readAnswer, type Answering } from './read-answer.js'

const read = (pieces: readonly Buffer[], answering: Partial<Answering>): AnswerFacts => {
  const reader = readAnswer({
    family: 'openai-chat',
    api: 'chat',
    provider: 'acme',
    streaming: true,
    status: 200,
    contentType: null,
    contentEncoding: null,
    ...answering,
  })
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  return reader.facts()
}

const chunk = JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content: 'Zoë' }, finish_reason: 'stop' }] })
const element = JSON.stringify({
  responseId: 'c',
  modelVersion: 'm',
  candidates: [{ content: { parts: [{ text: 'Zoë' }] }, finishReason: 'stop' }],
})
const line = JSON.stringify({ model: 'm', message: { content: 'Zoë' }, done_reason: 'stop', done: true })
const gemini = { family: 'gemini', api: 'generate_content' } as const

// What an answer is may only show in its first bytes: they come one by one, and behind spaces that keep a connection open.
describe.each([
  ['events without a label', `data: ${chunk}\n\n`, {}],
  ['named events without a label', `event: message\ndata: ${chunk}\n\n`, {}],
  ['a comment without a label', `: hold on\n\ndata: ${chunk}\n\n`, {}],
  ['an id without a label', `id: 1\ndata: ${chunk}\n\n`, {}],
  ['an array', `[${element}]`, { ...gemini, contentType: 'application/json' }],
  ['a body where an array may be', element, { ...gemini, contentType: 'application/json', streaming: false }],
  ['lines without a label', `${line}\n`, { family: 'ollama' }],
] as const)('%s', (_, text, answering) => {
  test.each([
    ['', 'as it is'],
    [' \r\n\n', 'behind spaces'],
    ['\uFEFF', 'behind a byte order mark'],
    [' '.repeat(500), 'behind many spaces'],
  ])('%j: %s', (before) => {
    // Spaces before a field's name are part of it.
    const sse = text.includes('data: ') && before.startsWith(' ')
    for (const { name, pieces } of splitsOf(Buffer.from(`${sse ? before.replaceAll(' ', '\n') : before}${text}`), 5))
      expect(read(pieces, answering), name).toMatchObject({
        responseModel: 'm',
        finishReason: 'stop',
        contentChars: 3,
        notes: [],
      })
  })
})

test('an answer that ends before it has said what it is', () => {
  for (const text of ['', ' ', '\n\n', '\uFEFF', 'dat', 'e']) {
    const facts = read([Buffer.from(text)], {})
    expect({ events: facts.events, error: facts.error }, text).toEqual({ events: 0, error: null })
  }
  // A transcript of one word.
  expect(read([Buffer.from('id')], { api: 'transcription', contentType: 'text/plain', streaming: false }).contentChars).toBe(2)
})
