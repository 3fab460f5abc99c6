import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

/** A line that tells more than a piece of text. Inside of a text the quotes would be escaped. */
const marker = /"(?:done" ?: ?true|done_reason" ?: ?"|error" ?: ?(?!null)|tool_calls" ?: ?\[ ?\{|prompt_eval_count|eval_count)/
/** Texts of a line; the match ends with the opening quote. */
const texts = /"(?:content|thinking|response)" ?: ?"/g

/** Kept of the last line: what was counted, how long each step took (nanoseconds), and why it ended. */
const measured = [
  'prompt_eval_count',
  'eval_count',
  'total_duration',
  'load_duration',
  'prompt_eval_duration',
  'eval_duration',
  'done_reason',
] as const

const lengthOf = (value: unknown): number => (typeof value === 'string' ? value.length : 0)

/** Ollama's own API: chat and generate as JSON lines or one body, embeddings as a body. */
export const ollamaReader = (family: string, status: number, seen: Seen): FamilyReader => {
  let known = false

  const take = (value: JsonObject): void => {
    if (value.error !== undefined && value.error !== null) seen.error = errorIn(family, status, value) ?? seen.error
    seen.model(textAt(value, 'model'))
    const message = objectAt(value, 'message')
    seen.delivered(lengthOf(message?.content) + lengthOf(message?.thinking) + lengthOf(value.response) + lengthOf(value.thinking))
    // A call comes whole, in one line.
    for (const call of listAt(message, 'tool_calls')) {
      const inner = objectAt(call, 'function')
      if (inner === null) continue
      seen.called()
      seen.delivered(typeof inner.arguments === 'string' ? inner.arguments.length : JSON.stringify(inner.arguments ?? {}).length)
    }
    const done = value.done === true
    if (done) {
      seen.finished(textAt(value, 'done_reason'))
      seen.terminal = true
    }
    const told = Object.fromEntries(measured.filter((key) => value[key] !== undefined).map((key) => [key, value[key]]))
    if (Object.keys(told).length > 0 && value.done !== false) seen.merged('ollama.done', told)
  }

  return {
    event: (data) => {
      seen.events++
      if (known && !marker.test(data)) {
        texts.lastIndex = 0
        let chars = 0
        while (texts.test(data)) chars += stringLength(data, texts.lastIndex)
        return seen.delivered(chars)
      }
      const value = parsed(data)
      if (!isObject(value)) return seen.note('malformed')
      take(value)
      known = seen.responseModel !== null
    },
    body: (value) => {
      if (!isObject(value)) return seen.note('malformed')
      if (status >= 400) seen.error = errorIn(family, status, value) ?? seen.error
      else take(value)
    },
  }
}
