import { describe, expect, test } from 'vitest'
import type { AnswerFacts } from './answer.js'
import { splitsOf } from './framing/splits.js'
import { readAnswer, type Answering } from './read-answer.js'

const read = (pieces: readonly Buffer[], answering: Partial<Answering>): AnswerFacts => {
  const reader = readAnswer({
    family: 'gemini',
    api: 'generate_content',
    provider: 'gemini',
    streaming: true,
    status: 200,
    contentType: 'text/event-stream',
    contentEncoding: null,
    ...answering,
  })
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  return reader.facts()
}

const openai = { family: 'openai-chat', api: 'chat', provider: 'openai' } as const
const chunk = JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content: 'Zoë' }, finish_reason: 'stop' }] })
const body = JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, message: { content: 'Zoë' }, finish_reason: 'stop' }] })
const element = JSON.stringify({
  responseId: 'c',
  modelVersion: 'm',
  candidates: [{ content: { parts: [{ text: 'Zoë' }] }, finishReason: 'stop' }],
})

describe.each([
  ['a stream that says it is JSON', `data: ${chunk}\n\ndata: [DONE]\n\n`, { ...openai, contentType: 'application/json' }],
  ['one that nobody asked for', `event: m\ndata: ${chunk}\n\n`, { ...openai, contentType: 'application/json', streaming: false }],
  ['one that begins with a comment', `: hold on\n\ndata: ${element}\n\n`, { contentType: 'application/json' }],
  ['a body that says it is a stream', body, openai],
] as const)('%s is read as what it is', (_, text, answering) => {
  test('in any pieces', () => {
    for (const { name, pieces } of splitsOf(Buffer.from(text), 3))
      expect(read(pieces, answering), name).toMatchObject({
        responseModel: 'm',
        contentChars: 3,
        finishReason: 'stop',
        notes: [],
      })
  })
})

test('an error that says it is a stream', () => {
  const error = JSON.stringify({ error: { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded' } })
  expect(read([Buffer.from(error)], { ...openai, status: 429 }).error).toMatchObject({ code: 'rate_limit_exceeded' })
})

describe('an event that cannot be read', () => {
  const good = `data: ${element}\n\n`
  const bad = 'data: {"finishReason":NaN}\n\n'

  test('at the end hides whether the answer was done; elsewhere it does not', () => {
    expect(read([Buffer.from(good + bad)], {}).notes).toEqual(['malformed', 'last_event_malformed'])
    expect(read([Buffer.from(bad + good)], {}).notes).toEqual(['malformed'])
  })

  test('is not half an event: that is a stream which was cut', () => {
    for (const length of [8, 12, bad.length - 2])
      expect(read([Buffer.from(good + bad.slice(0, length))], {}).notes, `${length}`).toEqual(['malformed'])
  })
})
