import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { exceptionIn } from '../framing/aws-event-stream.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, other, requestOf, word, type SaidEvent } from '../said.js'
import { unwrapped } from './union.js'

/** Pictures, documents, sound and films: bytes as base64, a place in S3, or plain text. */
const sourced = (kind: 'image' | 'audio' | 'video' | 'file', value: JsonObject): Block => {
  const source = objectAt(value, 'source')
  const text = textAt(source, 'text')
  if (text !== null) return { type: 'text', text }
  const format = word(value, 'format')
  return media(kind, {
    data: textAt(source, 'bytes'),
    url: textAt(objectAt(source, 's3Location'), 'uri') ?? textAt(source, 'uri'),
    mediaType: format === '' || kind === 'file' ? format : `${kind}/${format}`,
  })
}

const resultText = (blocks: readonly Block[]): string =>
  blocks.map((block) => ('text' in block ? block.text : block.type === 'other' ? block.json : `[${block.type}]`)).join('\n')

const toolResult = (value: JsonObject): Block => ({
  type: 'tool_result',
  id: word(value, 'toolUseId'),
  name: '',
  text: resultText(listAt(value, 'content').flatMap(blocksOf)),
  error: value.status === 'error',
})

const reasoning = (value: JsonObject): Block => ({
  type: 'thinking',
  text: textAt(objectAt(value, 'reasoningText'), 'text') ?? word(value, 'text'),
  redacted: value.redactedContent !== undefined,
})

/** One block of Converse. A mark of the cache is no part of what was said. */
const blocksOf = (value: unknown): readonly Block[] => {
  if (typeof value === 'string') return [{ type: 'text', text: value }]
  if (!isObject(value)) return [other('block', value)]
  if (typeof value.text === 'string') return [{ type: 'text', text: value.text }]
  if (value.json !== undefined) return [{ type: 'text', text: JSON.stringify(value.json) }]
  const [label = 'block'] = Object.keys(value)
  const inner = objectAt(value, label)
  if (inner === null) return label === 'block' ? [] : [other(label, value)]
  switch (label) {
    case 'cachePoint':
      return []
    case 'image':
    case 'audio':
    case 'video':
      return [sourced(label, inner)]
    case 'document':
      return [sourced('file', inner)]
    case 'toolUse':
      return [
        { type: 'tool_call', id: word(inner, 'toolUseId'), name: word(inner, 'name'), arguments: argumentsText(inner.input) },
      ]
    case 'toolResult':
      return [toolResult(inner)]
    case 'reasoningContent':
      return [reasoning(inner)]
    case 'guardContent':
      return isObject(inner.text) ? [{ type: 'text', text: word(inner.text, 'text') }] : blocksOf(inner)
    case 'citationsContent':
      return listAt(inner, 'content').flatMap(blocksOf)
    default:
      return [other(label, value)]
  }
}

const message = (value: unknown): Message => {
  const content = isObject(value) ? value.content : value
  const blocks = Array.isArray(content) ? content.flatMap(blocksOf) : content === undefined ? [] : blocksOf(content)
  const onlyResults = blocks.length > 0 && blocks.every((block) => block.type === 'tool_result')
  return { role: onlyResults ? 'tool' : (textAt(value, 'role') ?? 'user'), name: null, blocks }
}

/** What a request in the form of Converse says; Nova's invoke takes the same. */
export const askedInConverse = (request: unknown): readonly Message[] => {
  const system = isObject(request) && typeof request.system === 'string' ? [request.system] : listAt(request, 'system')
  const blocks = system.flatMap(blocksOf)
  return [...(blocks.length === 0 ? [] : [{ role: 'system', name: null, blocks }]), ...listAt(request, 'messages').map(message)]
}

const grow = (growing: Growing, name: string, event: JsonObject): void => {
  const key = String(event.contentBlockIndex ?? 0)
  if (name === 'contentBlockStart') {
    const start = objectAt(event, 'start')
    const [block] = start === null || Object.keys(start).length === 0 ? [] : blocksOf(start)
    if (block !== undefined) growing.is(key, block)
    return
  }
  if (name !== 'contentBlockDelta') return
  const delta = objectAt(event, 'delta')
  const text = textAt(delta, 'text')
  if (text !== null) return growing.add(key, { type: 'text', text: '' }, text)
  const input = textAt(objectAt(delta, 'toolUse'), 'input')
  if (input !== null) return growing.add(key, { type: 'tool_call', id: '', name: '', arguments: '' }, input)
  const thought = objectAt(delta, 'reasoningContent')
  if (thought === null) return
  if (thought.redactedContent !== undefined) growing.is(key, { type: 'thinking', text: '', redacted: true })
  else if (textAt(thought, 'text') !== null)
    growing.add(key, { type: 'thinking', text: '', redacted: false }, word(thought, 'text'))
}

/** What the events of a stream say, those of Nova's invoke too. */
export const saidInEvents = (events: readonly SaidEvent[]): readonly Message[] => {
  const growing = new Growing()
  for (const { name, value } of events) {
    if (!isObject(value) || exceptionIn(name) !== null) continue
    const inside = unwrapped(value)
    if (inside !== null) grow(growing, inside.name, inside.event)
    else if (name !== null) grow(growing, name, value)
  }
  return [{ role: 'assistant', name: null, blocks: growing.done() }]
}

/** What a whole answer says. */
export const saidInBody = (value: unknown): readonly Message[] => {
  const said = objectAt(objectAt(value, 'output'), 'message')
  return said === null ? [] : [{ ...message(said), role: 'assistant' }]
}

/** Bedrock's Converse. */
export const converseConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  const said = answer.form === 'none' ? [] : answer.form === 'body' ? saidInBody(answer.value) : saidInEvents(answer.events)
  return conversation(askedInConverse(request), said, notes)
}
