import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, other, requestOf, word, type SaidEvent } from '../said.js'

const mediaKinds = { image: 'image', audio: 'audio', video: 'video', document: 'file', file: 'file' } as const
const isMedia = (type: string): type is keyof typeof mediaKinds => Object.hasOwn(mediaKinds, type)

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? (value as unknown[]) : value === undefined || value === null ? [] : [value]

const thoughtText = (value: JsonObject): string =>
  [...listOf(value.summary), ...listOf(value.content)].map((part) => textAt(part, 'text') ?? '').join('') || word(value, 'text')

/** A block of content, or a step that is none of `user_input` and `model_output`. */
const block = (value: unknown): Block => {
  if (typeof value === 'string') return { type: 'text', text: value }
  if (!isObject(value)) return other('part', value)
  const type = word(value, 'type')
  if (type === 'text' || (type === '' && typeof value.text === 'string')) return { type: 'text', text: word(value, 'text') }
  if (type === 'thought') return { type: 'thinking', text: thoughtText(value), redacted: false }
  if (isMedia(type))
    return media(mediaKinds[type], {
      data: textAt(value, 'data'),
      url: textAt(value, 'uri'),
      mediaType: textAt(value, 'mime_type'),
    })
  if (type.endsWith('_call'))
    return {
      type: 'tool_call',
      id: word(value, 'id'),
      name: textAt(value, 'name') ?? type.slice(0, -'_call'.length),
      arguments: argumentsText(value.arguments),
    }
  if (type.endsWith('_result'))
    return {
      type: 'tool_result',
      id: word(value, 'call_id'),
      name: textAt(value, 'name') ?? type.slice(0, -'_result'.length),
      text: argumentsText(value.result),
      error: value.is_error === true,
    }
  return other(type === '' ? 'part' : type, value)
}

const roles: Readonly<Record<string, string>> = {
  model: 'assistant',
  model_output: 'assistant',
  user: 'user',
  user_input: 'user',
}

const roleOf = (blocks: readonly Block[], told: string): string =>
  blocks.length > 0 && blocks.every(({ type }) => type === 'tool_result') ? 'tool' : (roles[told] ?? told)

/** Turns have a role, steps a type; parts of one message stand alone. */
const inputs = (input: unknown): readonly Message[] => {
  const messages: Message[] = []
  let loose: Block[] = []
  const close = (): void => {
    if (loose.length > 0) messages.push({ role: roleOf(loose, 'user'), name: null, blocks: loose })
    loose = []
  }
  for (const entry of listOf(input)) {
    const role =
      textAt(entry, 'role') ?? (isObject(entry) && roles[word(entry, 'type')] !== undefined ? word(entry, 'type') : null)
    if (role === null || !isObject(entry)) {
      const found = block(entry)
      if (found.type !== 'tool_call' && found.type !== 'thinking') loose.push(found)
      else {
        close()
        messages.push({ role: 'assistant', name: null, blocks: [found] })
      }
      continue
    }
    close()
    const blocks = listOf(entry.content ?? entry.parts).map(block)
    messages.push({ role: roleOf(blocks, role), name: null, blocks })
  }
  close()
  return messages
}

const asked = (request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const system = listOf(request.system_instruction ?? request.systemInstruction).flatMap((value) => {
    const parts = isObject(value) && Array.isArray(value.parts) ? (value.parts as unknown[]) : [value]
    return parts.map(block)
  })
  return [...(system.length === 0 ? [] : [{ role: 'system', name: null, blocks: system }]), ...inputs(request.input)]
}

/** The answer's steps; what was asked may be repeated among them. */
const fromSteps = (steps: readonly unknown[]): readonly Block[] =>
  steps
    .filter((step) => textAt(step, 'type') !== 'user_input' && textAt(step, 'role') !== 'user')
    .flatMap((step) =>
      textAt(step, 'type') === 'model_output' || textAt(step, 'role') === 'model'
        ? listOf(isObject(step) ? step.content : undefined).map(block)
        : [block(step)],
    )

const grow = (growing: Growing, key: string, delta: JsonObject): void => {
  const type = word(delta, 'type')
  const content = objectAt(delta, 'content')
  if (type === 'text') growing.add(key, { type: 'text', text: '' }, word(delta, 'text'))
  else if (type === 'thought_summary')
    growing.add(key, { type: 'thinking', text: '', redacted: false }, textAt(content, 'text') ?? word(delta, 'text'))
  else if (type === 'arguments_delta')
    growing.add(key, { type: 'tool_call', id: '', name: '', arguments: '' }, argumentsText(delta.arguments))
  else if (type !== 'thought_signature' && !type.endsWith('_signature')) {
    const found = block(delta)
    if (found.type !== 'other' || growing.at(key) === undefined) growing.is(key, found)
  }
}

const fromEvents = (events: readonly SaidEvent[]): readonly Block[] => {
  const growing = new Growing()
  let whole: readonly unknown[] = []
  for (const { value } of events) {
    if (!isObject(value)) continue
    const key = `step ${String(value.index ?? '')}`
    const step = objectAt(value, 'step') ?? objectAt(value, 'content')
    const type = word(step, 'type')
    if (step !== null && type !== 'model_output' && type !== 'user_input' && type !== '') {
      const found = block(step)
      // A call opens with an empty object in place of the arguments that follow as text.
      growing.is(key, found.type === 'tool_call' && found.arguments === '{}' ? { ...found, arguments: '' } : found)
    } else for (const inner of listOf(step?.content)) growing.is(key, block(inner))
    const delta = objectAt(value, 'delta')
    if (delta !== null) grow(growing, key, delta)
    const interaction = objectAt(value, 'interaction') ?? value
    whole = [...listAt(interaction, 'steps'), ...listAt(interaction, 'outputs')]
  }
  const blocks = growing.done().filter((found) => found.type !== 'thinking' || found.text !== '')
  return blocks.length > 0 ? blocks : fromSteps(whole)
}

/** Google's Interactions: made now or read later, in steps or, in its first months, in outputs. */
export const interactionsConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  if (answer.form === 'none') return conversation(asked(request), [], notes)
  const blocks =
    answer.form === 'body'
      ? fromSteps([...listAt(answer.value, 'steps'), ...listAt(answer.value, 'outputs')])
      : fromEvents(answer.events)
  return conversation(asked(request), [{ role: 'assistant', name: null, blocks }], notes)
}
