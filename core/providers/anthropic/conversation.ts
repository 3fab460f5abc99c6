import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, other, requestOf, word } from '../said.js'

const sourceOf = (value: unknown, kind: 'image' | 'file'): Block => {
  const source = objectAt(value, 'source')
  return media(kind, {
    data: textAt(source, 'data'),
    url: textAt(source, 'url') ?? textAt(source, 'file_id'),
    mediaType: textAt(source, 'media_type'),
  })
}

const block = (value: unknown): Block => {
  if (typeof value === 'string') return { type: 'text', text: value }
  const type = word(value, 'type')
  switch (type) {
    case 'text':
      return { type: 'text', text: word(value, 'text') }
    case 'thinking':
      return { type: 'thinking', text: word(value, 'thinking'), redacted: false }
    case 'redacted_thinking':
      return { type: 'thinking', text: '', redacted: true }
    case 'image':
      return sourceOf(value, 'image')
    case 'document':
      return sourceOf(value, 'file')
    default:
      if (type.endsWith('tool_use') && isObject(value))
        return { type: 'tool_call', id: word(value, 'id'), name: word(value, 'name'), arguments: argumentsText(value.input) }
      if (type.endsWith('tool_result') && isObject(value))
        return {
          type: 'tool_result',
          id: word(value, 'tool_use_id'),
          name: '',
          text: blocks(value.content)
            .map((inner) => ('text' in inner ? inner.text : inner.type === 'other' ? inner.json : `[${inner.type}]`))
            .join('\n'),
          error: value.is_error === true,
        }
      return other(type === '' ? 'block' : type, value)
  }
}

const blocks = (content: unknown): readonly Block[] => {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  if (Array.isArray(content)) return content.map(block)
  return isObject(content) ? [block(content)] : []
}

const asked = (request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const system = blocks(request.system)
  return [
    ...(system.length === 0 ? [] : [{ role: 'system', name: null, blocks: system }]),
    ...listAt(request, 'messages').map((value): Message => {
      const content = blocks(isObject(value) ? value.content : value)
      const onlyResults = content.length > 0 && content.every((inner) => inner.type === 'tool_result')
      return { role: onlyResults ? 'tool' : (textAt(value, 'role') ?? 'user'), name: null, blocks: content }
    }),
  ]
}

/** A block that a stream opens; its text follows in deltas. */
const opened = (value: JsonObject): Block => {
  const found = block(value)
  // A tool call opens with an empty object in place of the arguments that follow as text.
  return found.type === 'tool_call' ? { ...found, arguments: found.arguments === '{}' ? '' : found.arguments } : found
}

/** Anthropic's Messages. */
export const anthropicConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  if (answer.form === 'none') return conversation(asked(request), [], notes)
  if (answer.form === 'body')
    return conversation(
      asked(request),
      [{ role: 'assistant', name: null, blocks: isObject(answer.value) ? blocks(answer.value.content) : [] }],
      notes,
    )
  const growing = new Growing()
  for (const { value } of answer.events) {
    if (!isObject(value)) continue
    const key = String(value.index ?? 0)
    if (value.type === 'content_block_start') {
      const started = objectAt(value, 'content_block')
      if (started !== null) growing.is(key, opened(started))
    } else if (value.type === 'content_block_delta') {
      const delta = objectAt(value, 'delta')
      const text = textAt(delta, 'text') ?? textAt(delta, 'thinking') ?? textAt(delta, 'partial_json')
      if (text !== null) growing.add(key, { type: 'text', text: '' }, text)
    }
  }
  return conversation(asked(request), [{ role: 'assistant', name: null, blocks: growing.done() }], notes)
}
