import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt } from '../json-text.js'
import { answerOf, argumentsText, conversation, media, other, requestOf, word } from '../said.js'

const either = (value: unknown, camel: string, snake: string): unknown =>
  isObject(value) ? (value[camel] ?? value[snake]) : undefined

const part = (value: unknown): Block => {
  if (typeof value === 'string') return { type: 'text', text: value }
  if (!isObject(value)) return other('part', value)
  if (typeof value.text === 'string')
    return value.thought === true ? { type: 'thinking', text: value.text, redacted: false } : { type: 'text', text: value.text }
  const call = either(value, 'functionCall', 'function_call')
  if (isObject(call))
    return { type: 'tool_call', id: word(call, 'id'), name: word(call, 'name'), arguments: argumentsText(call.args ?? {}) }
  const result = either(value, 'functionResponse', 'function_response')
  if (isObject(result))
    return {
      type: 'tool_result',
      id: word(result, 'id'),
      name: word(result, 'name'),
      text: JSON.stringify(result.response ?? null),
      error: false,
    }
  const inline = either(value, 'inlineData', 'inline_data')
  if (isObject(inline))
    return media('file', { data: textAt(inline, 'data'), mediaType: textAt(inline, 'mimeType') ?? textAt(inline, 'mime_type') })
  const file = either(value, 'fileData', 'file_data')
  if (isObject(file))
    return media('file', {
      url: textAt(file, 'fileUri') ?? textAt(file, 'file_uri'),
      mediaType: textAt(file, 'mimeType') ?? textAt(file, 'mime_type'),
    })
  return other(Object.keys(value).find((key) => !key.startsWith('thought')) ?? 'part', value)
}

const partsOf = (content: unknown): readonly Block[] => {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return listAt(content, 'parts').map(part)
}

const roles: Readonly<Record<string, string>> = { model: 'assistant', function: 'tool', user: 'user' }

const contents = (value: unknown): readonly Message[] => {
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return list.map((content: unknown): Message => {
    const blocks =
      isObject(content) && content.parts === undefined && content.text !== undefined ? [part(content)] : partsOf(content)
    const onlyResults = blocks.length > 0 && blocks.every((block) => block.type === 'tool_result')
    const role = textAt(content, 'role') ?? 'user'
    return { role: onlyResults ? 'tool' : (roles[role] ?? role), name: null, blocks }
  })
}

/** What Vertex' `predict` was given: a text to embed, a picture to make, a prompt. */
const instances = (value: unknown): readonly Message[] =>
  (Array.isArray(value) ? (value as unknown[]) : []).map((instance) => {
    const text = textAt(instance, 'content') ?? textAt(instance, 'prompt') ?? textAt(instance, 'text')
    return { role: 'user', name: null, blocks: [text === null ? other('instance', instance) : { type: 'text', text }] }
  })

const asked = (request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const system = partsOf(either(request, 'systemInstruction', 'system_instruction'))
  const batch = listAt(request, 'requests').flatMap((inner) => contents(isObject(inner) ? inner.content : undefined))
  return [
    ...(system.length === 0 ? [] : [{ role: 'system', name: null, blocks: system }]),
    ...contents(request.contents ?? request.content),
    ...batch,
    ...instances(request.instances),
  ]
}

/** Neighbouring pieces of one kind of text are one block: a stream cuts them anywhere. */
const merged = (blocks: readonly Block[]): readonly Block[] => {
  const found: Block[] = []
  for (const block of blocks) {
    const last = found.at(-1)
    if ((block.type === 'text' || block.type === 'thinking') && last?.type === block.type)
      found[found.length - 1] = { ...last, text: last.text + block.text }
    else if (block.type !== 'text' || block.text !== '') found.push(block)
  }
  return found
}

const answered = (elements: readonly unknown[]): readonly Message[] => {
  const candidates = new Map<number, Block[]>()
  for (const element of elements)
    for (const [at, candidate] of listAt(element, 'candidates').entries()) {
      const index = isObject(candidate) && typeof candidate.index === 'number' ? candidate.index : at
      const blocks = candidates.get(index) ?? []
      candidates.set(index, blocks)
      blocks.push(...partsOf(objectAt(candidate, 'content')))
    }
  for (const element of elements)
    for (const [at, prediction] of listAt(element, 'predictions').entries()) {
      const text = textAt(prediction, 'content')
      const data = textAt(prediction, 'bytesBase64Encoded')
      if (text !== null) candidates.set(at, [{ type: 'text', text }])
      else if (data !== null) candidates.set(at, [media('image', { data, mediaType: textAt(prediction, 'mimeType') })])
    }
  return Array.from(candidates.values(), (blocks) => ({ role: 'assistant', name: null, blocks: merged(blocks) }))
}

/** Google's generateContent, embedContent and countTokens. */
export const geminiConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  if (answer.form === 'none') return conversation(asked(request), [], notes)
  const elements = answer.form === 'body' ? [answer.value] : answer.events.map(({ value }) => value)
  return conversation(asked(request), answered(elements), notes)
}
