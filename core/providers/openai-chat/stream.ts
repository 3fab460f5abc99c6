import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'
import { bodyObject, takeErrorEvent, takeGatewayCost, takeTold, takeUsage } from './told.js'

// One pass over an event finds what it holds. Behind a marker whose value is not null the match ends before the value: the event must
// be parsed. Behind the key of a text it ends with the value's quote: the text is only measured. Measured on a chunk of 165 bytes:
// 0.2 µs for this search, 1.0 µs for decoding and parsing.
const QUOTE = 34

const searchFor = (texts: string): RegExp =>
  new RegExp(
    `"(?:(?:usage|x_groq|error|finish_reason|name|provider_metadata|reasoning_details|timings)" ?: ?(?!null)|(?:${texts})" ?: ?["[{])`,
    'g',
  )
const ofChat = searchFor('content|reasoning_content|reasoning|refusal|arguments|input|transcript')
// Together sends the text of a chat twice, under "content" and "text": only a legacy completion has it under "text" alone.
const ofCompletions = searchFor('text')

const toolKey = (call: unknown): string =>
  textAt(call, 'id') ?? (isObject(call) && typeof call.index === 'number' ? `#${call.index}` : '')

const lengthOf = (value: unknown): number => {
  if (typeof value === 'string') return value.length
  // Mistral: content as a list of parts, thinking as a list inside of a part.
  if (Array.isArray(value)) return value.reduce<number>((sum, part) => sum + lengthOf(part), 0)
  return isObject(value) ? lengthOf(value.text) + lengthOf(value.thinking) : 0
}

const messageChars = (message: JsonObject): number => {
  let chars = lengthOf(message.content) + lengthOf(message.reasoning_content ?? message.reasoning) + lengthOf(message.refusal)
  for (const call of listAt(message, 'tool_calls'))
    chars += lengthOf(objectAt(call, 'function')?.arguments) + lengthOf(objectAt(call, 'custom')?.input)
  return chars + lengthOf(objectAt(message, 'function_call')?.arguments) + lengthOf(objectAt(message, 'audio')?.transcript)
}

const named = (call: unknown): boolean =>
  objectAt(call, 'function')?.name !== undefined || objectAt(call, 'custom')?.name !== undefined

/** Chat completions and legacy completions. */
export const chatReader = (family: string, api: string, status: number, seen: Seen): FamilyReader => {
  const search = api === 'completions' ? ofCompletions : ofChat
  const calls = new Set<string>()
  let known = false

  const choice = (item: unknown, deltaKey: 'delta' | 'message', at: number): void => {
    seen.finished(textAt(item, 'finish_reason'))
    if (!isObject(item)) return
    if (api === 'completions') seen.delivered(lengthOf(item.text))
    // Moonshot tells usage inside of the last choice, OpenRouter the error of one choice.
    if (isObject(item.usage)) takeUsage(item.usage, seen)
    if (objectAt(item, 'error') !== null) seen.error = errorIn(family, status, item) ?? seen.error
    takeGatewayCost(item, seen)
    const message = objectAt(item, deltaKey) ?? objectAt(item, deltaKey === 'delta' ? 'message' : 'delta')
    if (message === null) return
    takeGatewayCost(message, seen)
    seen.delivered(messageChars(message))
    for (const call of listAt(message, 'tool_calls')) {
      // Later pieces repeat the index, often without the id: a call is new when its id, or an index without any id, is.
      if (!named(call) && textAt(call, 'id') === null && deltaKey === 'delta') continue
      const key = `${at}:${toolKey(call)}`
      if (deltaKey === 'message' || !calls.has(key)) seen.called()
      calls.add(key)
    }
    if (objectAt(message, 'function_call')?.name !== undefined) seen.called()
  }

  return {
    event: (data, name) => {
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      let chars = 0
      if (known && name !== 'error') {
        search.lastIndex = 0
        while (search.test(data) && data.charCodeAt(search.lastIndex - 1) === QUOTE) chars += stringLength(data, search.lastIndex)
        // No match is left, and none of them ended before a value.
        if (search.lastIndex === 0) return seen.delivered(chars)
      }
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      for (const item of listAt(value, 'choices'))
        choice(item, 'delta', isObject(item) && typeof item.index === 'number' ? item.index : 0)
      takeTold(value, family, status, seen)
      if (name === 'error') takeErrorEvent(value, family, status, seen)
      known = seen.responseModel !== null && seen.responseId !== null
    },
    body: (value) => {
      const object = bodyObject(value, seen)
      if (object === null) return
      listAt(object, 'choices').forEach((item, at) => choice(item, 'message', at))
      takeTold(object, family, status, seen)
    },
  }
}
