import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, other, requestOf, word } from '../said.js'

const part = (value: unknown): Block => {
  if (typeof value === 'string') return { type: 'text', text: value }
  const type = word(value, 'type')
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: word(value, 'text') }
    case 'refusal':
      return { type: 'refusal', text: word(value, 'refusal') }
    case 'thinking':
      return {
        type: 'thinking',
        text: contentBlocks((value as JsonObject).thinking)
          .map((block) => ('text' in block ? block.text : ''))
          .join(''),
        redacted: false,
      }
    case 'image_url':
      return media('image', { url: textAt(value, 'image_url') ?? textAt(objectAt(value, 'image_url'), 'url') })
    case 'input_audio': {
      const audio = objectAt(value, 'input_audio')
      return media('audio', {
        data: textAt(audio, 'data') ?? textAt(value, 'input_audio'),
        mediaType: `audio/${word(audio, 'format')}`,
      })
    }
    case 'file': {
      const file = objectAt(value, 'file')
      return media('file', { url: textAt(file, 'file_data') ?? textAt(file, 'file_id') })
    }
    default:
      return other(type === '' ? 'part' : type, value)
  }
}

const contentBlocks = (content: unknown): readonly Block[] => {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return Array.isArray(content) ? content.map(part) : []
}

const messageBlocks = (value: JsonObject): readonly Block[] => {
  const blocks: Block[] = []
  const reasoning = textAt(value, 'reasoning_content') ?? textAt(value, 'reasoning')
  if (reasoning !== null) blocks.push({ type: 'thinking', text: reasoning, redacted: false })
  blocks.push(...contentBlocks(value.content))
  const refusal = textAt(value, 'refusal')
  if (refusal !== null) blocks.push({ type: 'refusal', text: refusal })
  for (const call of listAt(value, 'tool_calls')) {
    const inner = objectAt(call, 'function') ?? objectAt(call, 'custom')
    blocks.push({
      type: 'tool_call',
      id: word(call, 'id'),
      name: word(inner, 'name'),
      arguments: argumentsText(inner?.arguments ?? inner?.input),
    })
  }
  const old = objectAt(value, 'function_call')
  if (old !== null) blocks.push({ type: 'tool_call', id: '', name: word(old, 'name'), arguments: argumentsText(old.arguments) })
  const audio = objectAt(value, 'audio')
  if (audio !== null) {
    blocks.push(media('audio', { data: textAt(audio, 'data') }))
    const transcript = textAt(audio, 'transcript')
    if (transcript !== null) blocks.push({ type: 'text', text: transcript })
  }
  return blocks
}

const textOf = (blocks: readonly Block[]): string => blocks.map((block) => (block.type === 'text' ? block.text : '')).join('')

const askedMessage = (value: unknown): Message => {
  if (!isObject(value)) return { role: 'user', name: null, blocks: [other('message', value)] }
  const role = textAt(value, 'role') ?? 'user'
  const blocks = messageBlocks(value)
  if (role === 'tool' || role === 'function')
    return {
      role: 'tool',
      name: textAt(value, 'name'),
      blocks: [
        { type: 'tool_result', id: word(value, 'tool_call_id'), name: word(value, 'name'), text: textOf(blocks), error: false },
      ],
    }
  return { role: role === 'developer' ? 'system' : role, name: textAt(value, 'name'), blocks }
}

const inputs = (value: unknown): readonly Message[] => {
  if (typeof value === 'string') return [{ role: 'user', name: null, blocks: [{ type: 'text', text: value }] }]
  if (!Array.isArray(value)) return []
  if (value.every((item) => typeof item === 'string')) return value.flatMap(inputs)
  // Moderation takes parts as of a message.
  if (value.length > 0 && value.every(isObject)) return [{ role: 'user', name: null, blocks: value.map(part) }]
  // Token ids, given instead of text.
  return [{ role: 'user', name: null, blocks: [other('tokens', value.length > 100 ? { count: value.length } : value)] }]
}

const asked = (request: unknown): readonly Message[] =>
  isObject(request)
    ? Array.isArray(request.messages)
      ? request.messages.map(askedMessage)
      : inputs(request.prompt ?? request.input)
    : []

const fromBody = (body: unknown): readonly Message[] =>
  listAt(body, 'choices').flatMap((choice): Message[] => {
    const message = objectAt(choice, 'message')
    if (message !== null) return [{ role: textAt(message, 'role') ?? 'assistant', name: null, blocks: messageBlocks(message) }]
    const text = textAt(choice, 'text')
    return text === null ? [] : [{ role: 'assistant', name: null, blocks: [{ type: 'text', text }] }]
  })

const grow = (growing: Growing, delta: JsonObject): void => {
  const reasoning = textAt(delta, 'reasoning_content') ?? textAt(delta, 'reasoning')
  if (reasoning !== null) growing.add('thinking', { type: 'thinking', text: '', redacted: false }, reasoning)
  for (const block of contentBlocks(delta.content)) {
    if (block.type === 'text') growing.add('text', { type: 'text', text: '' }, block.text)
    else if (block.type === 'thinking') growing.add('thinking', { type: 'thinking', text: '', redacted: false }, block.text)
  }
  const refusal = textAt(delta, 'refusal')
  if (refusal !== null) growing.add('refusal', { type: 'refusal', text: '' }, refusal)
  for (const call of listAt(delta, 'tool_calls')) {
    const inner = objectAt(call, 'function')
    const index = isObject(call) && typeof call.index === 'number' ? call.index : 0
    const id = textAt(call, 'id')
    // Some servers number every call 0 and tell them apart by id alone.
    const before = growing.at(`call ${index}`)
    const key =
      before?.type === 'tool_call' && id !== null && before.id !== '' && before.id !== id
        ? `call ${index} ${id}`
        : `call ${index}`
    growing.add(
      key,
      { type: 'tool_call', id: id ?? '', name: word(inner, 'name'), arguments: '' },
      argumentsText(inner?.arguments),
    )
  }
}

/** Chat completions, legacy completions, embeddings and moderations. */
export const chatConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  if (answer.form === 'none') return conversation(asked(request), [], notes)
  if (answer.form === 'body') return conversation(asked(request), fromBody(answer.value), notes)
  const choices = new Map<number, Growing>()
  for (const { value } of answer.events)
    for (const choice of listAt(value, 'choices')) {
      const index = isObject(choice) && typeof choice.index === 'number' ? choice.index : 0
      const growing = choices.get(index) ?? new Growing()
      choices.set(index, growing)
      const delta = objectAt(choice, 'delta') ?? objectAt(choice, 'message')
      if (delta !== null) grow(growing, delta)
      // Together sends the text of a chat twice.
      const text = delta === null ? textAt(choice, 'text') : null
      if (text !== null) growing.add('text', { type: 'text', text: '' }, text)
    }
  return conversation(
    asked(request),
    Array.from(choices.values(), (growing) => ({ role: 'assistant', name: null, blocks: growing.done() })),
    notes,
  )
}
