import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, other, requestOf, word, type SaidEvent } from '../said.js'

const text = (words: string): Block => ({ type: 'text', text: words })
const texts = (...found: readonly (string | null)[]): readonly Block[] =>
  found.filter((words): words is string => words !== null && words !== '').map(text)
const said = (role: string, blocks: readonly Block[]): Message => ({ role, name: null, blocks })
const filled = (role: string, blocks: readonly Block[]): readonly Message[] => (blocks.length === 0 ? [] : [said(role, blocks)])

const part = (value: unknown): Block => {
  if (typeof value === 'string') return text(value)
  const type = word(value, 'type')
  switch (type) {
    case 'text':
      return text(word(value, 'text'))
    case 'thinking':
      return { type: 'thinking', text: word(value, 'thinking'), redacted: false }
    case 'image_url':
      return media('image', { url: textAt(value, 'image_url') ?? textAt(objectAt(value, 'image_url'), 'url') })
    default:
      return other(type === '' ? 'part' : type, value)
  }
}

const parts = (content: unknown): readonly Block[] =>
  typeof content === 'string'
    ? texts(content)
    : Array.isArray(content)
      ? content.map(part)
      : isObject(content)
        ? [part(content)]
        : []

/** Version 2 names the function inside of the call, version 1 at its top. */
const call = (value: unknown): Block => {
  const inner = objectAt(value, 'function')
  return {
    type: 'tool_call',
    id: word(value, 'id'),
    name: inner === null ? word(value, 'name') : word(inner, 'name'),
    arguments: argumentsText(inner === null && isObject(value) ? value.parameters : inner?.arguments),
  }
}

const messageBlocks = (value: JsonObject): readonly Block[] => [
  ...texts(textAt(value, 'tool_plan')),
  ...parts(value.content),
  ...listAt(value, 'tool_calls').map(call),
]

const wordsOf = (block: Block): string => ('text' in block ? block.text : block.type === 'other' ? block.json : `[${block.type}]`)

const askedMessage = (value: unknown): Message => {
  if (!isObject(value)) return said('user', [other('message', value)])
  const role = textAt(value, 'role') ?? 'user'
  if (role !== 'tool') return said(role, messageBlocks(value))
  const result = parts(value.content).map(wordsOf).join('\n')
  return said('tool', [{ type: 'tool_result', id: word(value, 'tool_call_id'), name: '', text: result, error: false }])
}

const roles: Readonly<Record<string, string>> = { CHATBOT: 'assistant', USER: 'user', SYSTEM: 'system', TOOL: 'tool' }

/** Version 1: what a tool of the caller's answered. */
const result = (value: unknown): Block => ({
  type: 'tool_result',
  id: '',
  name: word(objectAt(value, 'call'), 'name'),
  text: JSON.stringify(listAt(value, 'outputs')),
  error: false,
})

const turn = (value: unknown): Message =>
  said(roles[word(value, 'role')] ?? word(value, 'role').toLowerCase(), [
    ...texts(textAt(value, 'message')),
    ...listAt(value, 'tool_calls').map(call),
    ...listAt(value, 'tool_results').map(result),
  ])

const document = (value: unknown): Block => (typeof value === 'string' ? text(value) : other('document', value))

/** Chat of both versions, embeddings, rankings. */
const asked = (request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const pictures = listAt(request, 'images').map((url) => media('image', { url: typeof url === 'string' ? url : null }))
  return [
    ...filled('system', texts(textAt(request, 'preamble'))),
    ...filled('system', listAt(request, 'documents').map(document)),
    ...listAt(request, 'chat_history').map(turn),
    ...listAt(request, 'messages').map(askedMessage),
    ...filled('tool', listAt(request, 'tool_results').map(result)),
    ...filled('user', texts(textAt(request, 'message'), textAt(request, 'query'), textAt(request, 'prompt'))),
    ...listAt(request, 'texts').map((words) => said('user', [typeof words === 'string' ? text(words) : other('text', words)])),
    ...listAt(request, 'inputs').map((input) => said('user', parts(isObject(input) ? input.content : input))),
    ...filled('user', pictures),
  ]
}

const fromBody = (body: unknown): readonly Block[] => {
  const message = objectAt(body, 'message')
  if (message !== null) return messageBlocks(message)
  return [...texts(textAt(body, 'text')), ...listAt(body, 'tool_calls').map(call)]
}

const growCall = (growing: Growing, key: string, value: JsonObject): void => {
  const inner = objectAt(value, 'function') ?? value
  growing.add(
    key,
    { type: 'tool_call', id: word(value, 'id'), name: word(inner, 'name'), arguments: '' },
    argumentsText(inner.arguments ?? inner.parameters ?? ''),
  )
}

/** Version 2: the piece of a message in an event. */
const grow2 = (growing: Growing, index: string, message: JsonObject): void => {
  const plan = textAt(message, 'tool_plan')
  if (plan !== null) growing.add('plan', text(''), plan)
  const content = Array.isArray(message.content) ? message.content : [message.content]
  for (const piece of content) {
    const thought = textAt(piece, 'thinking')
    if (thought !== null) growing.add(`thinking ${index}`, { type: 'thinking', text: '', redacted: false }, thought)
    const words = textAt(piece, 'text')
    if (words !== null) growing.add(`text ${index}`, text(''), words)
  }
  const calls: readonly unknown[] = Array.isArray(message.tool_calls) ? message.tool_calls : [message.tool_calls]
  calls.forEach((piece, at) => {
    if (isObject(piece)) growCall(growing, calls.length > 1 ? `call ${index}.${at}` : `call ${index}`, piece)
  })
}

/** Version 1 repeats calls whole after their pieces, and all of the answer in its last event. */
const grow1 = (growing: Growing, value: JsonObject): void => {
  const words = textAt(value, 'text')
  if (words !== null) growing.add('text', text(''), words)
  const piece = objectAt(value, 'tool_call_delta')
  if (piece !== null) growCall(growing, `call ${typeof piece.index === 'number' ? piece.index : 0}`, piece)
  listAt(value, 'tool_calls').forEach((told, at) => {
    if (isObject(told) && growing.at(`call ${at}`) === undefined) growCall(growing, `call ${at}`, told)
  })
}

const fromEvents = (events: readonly SaidEvent[]): readonly Block[] => {
  const growing = new Growing()
  for (const { value } of events) {
    if (!isObject(value)) continue
    if (typeof value.event_type === 'string' || value.is_finished !== undefined) {
      const response = objectAt(value, 'response')
      if (response === null) grow1(growing, value)
      else if (growing.done().length === 0) return fromBody(response)
      continue
    }
    const message = objectAt(objectAt(value, 'delta'), 'message')
    if (message !== null && !word(value, 'type').startsWith('citation'))
      grow2(growing, typeof value.index === 'number' ? String(value.index) : '0', message)
  }
  return growing.done()
}

/** Cohere's API in both versions. */
export const cohereConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  const blocks = answer.form === 'none' ? [] : answer.form === 'body' ? fromBody(answer.value) : fromEvents(answer.events)
  return conversation(asked(request), [said('assistant', blocks)], notes)
}
