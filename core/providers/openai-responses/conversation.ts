import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { answerOf, argumentsText, conversation, Growing, media, other, requestOf, word } from '../said.js'

const part = (value: unknown): Block => {
  if (typeof value === 'string') return { type: 'text', text: value }
  const type = word(value, 'type')
  switch (type) {
    case 'input_text':
    case 'output_text':
    case 'text':
    case 'summary_text':
    case 'reasoning_text':
      return { type: 'text', text: word(value, 'text') }
    case 'refusal':
      return { type: 'refusal', text: word(value, 'refusal') }
    case 'input_image':
      return media('image', { url: textAt(value, 'image_url') ?? textAt(value, 'file_id') })
    case 'input_audio': {
      const audio = objectAt(value, 'input_audio')
      return media('audio', { data: textAt(audio, 'data'), mediaType: `audio/${word(audio, 'format')}` })
    }
    case 'input_file':
      return media('file', { url: textAt(value, 'file_data') ?? textAt(value, 'file_url') ?? textAt(value, 'file_id') })
    default:
      return other(type === '' ? 'part' : type, value)
  }
}

const contentBlocks = (content: unknown): readonly Block[] => {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return Array.isArray(content) ? content.map(part) : []
}

const joined = (blocks: readonly Block[]): string => blocks.map((block) => ('text' in block ? block.text : '')).join('')

const item = (value: JsonObject): Message => {
  const type = textAt(value, 'type') ?? 'message'
  const assistant = (block: Block): Message => ({ role: 'assistant', name: null, blocks: [block] })
  switch (type) {
    case 'message': {
      const role = textAt(value, 'role') ?? 'user'
      return { role: role === 'developer' ? 'system' : role, name: null, blocks: contentBlocks(value.content) }
    }
    case 'reasoning': {
      const text = joined([...contentBlocks(value.summary), ...contentBlocks(value.content)])
      const redacted = text === '' && typeof value.encrypted_content === 'string'
      return text === '' && !redacted
        ? { role: 'assistant', name: null, blocks: [] }
        : assistant({ type: 'thinking', text, redacted })
    }
    case 'function_call':
    case 'custom_tool_call':
    case 'mcp_call':
      return assistant({
        type: 'tool_call',
        id: textAt(value, 'call_id') ?? word(value, 'id'),
        name: word(value, 'name'),
        arguments: argumentsText(value.arguments ?? value.input),
      })
    case 'function_call_output':
    case 'custom_tool_call_output':
      return {
        role: 'tool',
        name: null,
        blocks: [
          {
            type: 'tool_result',
            id: word(value, 'call_id'),
            name: '',
            text: typeof value.output === 'string' ? value.output : joined(contentBlocks(value.output)),
            error: false,
          },
        ],
      }
    default:
      if (type.endsWith('_call')) {
        const { id, type: _, status: __, ...rest } = value
        return assistant({
          type: 'tool_call',
          id: typeof id === 'string' ? id : '',
          name: type.slice(0, -5),
          arguments: JSON.stringify(rest),
        })
      }
      return assistant(other(type, value))
  }
}

const asked = (request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const instructions = contentBlocks(request.instructions)
  const system: readonly Message[] = instructions.length === 0 ? [] : [{ role: 'system', name: null, blocks: instructions }]
  if (typeof request.input === 'string') return [...system, { role: 'user', name: null, blocks: contentBlocks(request.input) }]
  return [
    ...system,
    ...listAt(request, 'input').map((value) =>
      isObject(value) ? item(value) : { role: 'user', name: null, blocks: [part(value)] },
    ),
  ]
}

const fromOutput = (response: unknown): readonly Message[] => listAt(response, 'output').filter(isObject).map(item)

const growingKinds: Readonly<Record<string, Block>> = {
  'response.output_text.delta': { type: 'text', text: '' },
  'response.refusal.delta': { type: 'refusal', text: '' },
  'response.reasoning_summary_text.delta': { type: 'thinking', text: '', redacted: false },
  'response.reasoning_text.delta': { type: 'thinking', text: '', redacted: false },
  'response.function_call_arguments.delta': { type: 'tool_call', id: '', name: '', arguments: '' },
  'response.custom_tool_call_input.delta': { type: 'tool_call', id: '', name: '', arguments: '' },
}

/** Puts an answer together from its deltas: for a stream that was cut before it repeated itself whole. */
const fromDeltas = (events: readonly { readonly name: string | null; readonly value: unknown }[]): readonly Message[] => {
  const growing = new Growing()
  for (const { name, value } of events) {
    if (!isObject(value)) continue
    const type = name ?? word(value, 'type')
    const key = String(value.output_index ?? textAt(value, 'item_id') ?? '')
    const first = growingKinds[type]
    if (first !== undefined) growing.add(`${key} ${first.type}`, first, word(value, 'delta'))
    else if (type === 'response.output_item.added') {
      const added = objectAt(value, 'item')
      const block = added === null ? undefined : item(added).blocks[0]
      if (block?.type === 'tool_call' && word(added, 'type').startsWith('function'))
        growing.is(`${key} tool_call`, { ...block, arguments: '' })
    }
  }
  return [{ role: 'assistant', name: null, blocks: growing.done() }]
}

/** OpenAI's Responses API: its last event repeats the whole answer; without it the deltas are put together. */
export const responsesConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  if (answer.form === 'none') return conversation(asked(request), [], notes)
  if (answer.form === 'body') return conversation(asked(request), fromOutput(answer.value), notes)
  const whole = answer.events.findLast(({ name, value }) =>
    /^response\.(?:completed|incomplete|failed)$/.test(name ?? word(value, 'type')),
  )
  const output = whole === undefined ? [] : fromOutput(objectAt(whole.value, 'response'))
  return conversation(asked(request), output.length > 0 ? output : fromDeltas(answer.events), notes)
}
