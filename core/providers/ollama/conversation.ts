import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, requestOf, word } from '../said.js'

const text = (words: string): Block => ({ type: 'text', text: words })
const texts = (...found: readonly (string | null)[]): readonly Block[] =>
  found.filter((words): words is string => words !== null && words !== '').map(text)

const call = (value: unknown): Block => {
  const inner = objectAt(value, 'function')
  return { type: 'tool_call', id: word(value, 'id'), name: word(inner, 'name'), arguments: argumentsText(inner?.arguments) }
}

/** Pictures are base64 without a type. */
const pictures = (value: JsonObject): readonly Block[] =>
  listAt(value, 'images').map((data) => media('image', { data: typeof data === 'string' ? data : null }))

const thought = (value: JsonObject): readonly Block[] => {
  const thinking = textAt(value, 'thinking')
  return thinking === null ? [] : [{ type: 'thinking', text: thinking, redacted: false }]
}

const messageBlocks = (value: JsonObject): readonly Block[] => [
  ...thought(value),
  ...texts(textAt(value, 'content')),
  ...pictures(value),
  ...listAt(value, 'tool_calls').map(call),
]

const askedMessage = (value: JsonObject): Message => {
  const role = textAt(value, 'role') ?? 'user'
  const name = textAt(value, 'tool_name') ?? textAt(value, 'name')
  if (role !== 'tool') return { role, name: null, blocks: messageBlocks(value) }
  const result: Block = {
    type: 'tool_result',
    id: word(value, 'tool_call_id'),
    name: name ?? '',
    text: word(value, 'content'),
    error: false,
  }
  return { role, name, blocks: [result, ...pictures(value)] }
}

const asked = (request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const given = Array.isArray(request.input) ? (request.input as unknown[]) : [request.input]
  const prompt = [
    ...texts(textAt(request, 'prompt'), textAt(request, 'suffix')),
    ...pictures(request),
    ...texts(...given.map((words) => (typeof words === 'string' ? words : null))),
  ]
  const system = texts(textAt(request, 'system'))
  return [
    ...(system.length === 0 ? [] : [{ role: 'system', name: null, blocks: system }]),
    ...listAt(request, 'messages').filter(isObject).map(askedMessage),
    ...(prompt.length === 0 ? [] : [{ role: 'user', name: null, blocks: prompt }]),
  ]
}

/** Ollama's own chat and generate: a body is what a stream of one line would be. */
const answered = (lines: readonly unknown[]): readonly Block[] => {
  const growing = new Growing()
  let calls = 0
  for (const line of lines) {
    if (!isObject(line) || typeof line.done !== 'boolean') continue
    const message = objectAt(line, 'message')
    const thinking = textAt(message, 'thinking') ?? textAt(line, 'thinking')
    if (thinking !== null) growing.add('thinking', { type: 'thinking', text: '', redacted: false }, thinking)
    const words = textAt(message, 'content') ?? textAt(line, 'response')
    if (words !== null) growing.add('text', text(''), words)
    for (const found of listAt(message, 'tool_calls')) growing.is(`call ${calls++}`, call(found))
  }
  return growing.done()
}

/** Ollama's own API. */
export const ollamaConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  const lines = answer.form === 'none' ? [] : answer.form === 'body' ? [answer.value] : answer.events.map(({ value }) => value)
  return conversation(asked(request), [{ role: 'assistant', name: null, blocks: answered(lines) }], notes)
}
