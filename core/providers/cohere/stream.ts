import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

/** These words in quotes stand nowhere but where an event says what it is: inside of a text the quotes would be escaped. */
const deltaEvent = /"(?:type|event_type)" ?: ?"(?:content-delta|tool-plan-delta|text-generation)"/
/** The text of such an event; the match ends with its opening quote. Log probabilities repeat it beside `delta`, under a `text` of their own. */
const deltaText =
  /"content" ?: ?\{ ?(?:"type" ?: ?"[a-z_]+" ?, ?)?"(?:text|thinking)" ?: ?"|"tool_plan" ?: ?"|"event_type" ?: ?"text-generation" ?, ?"text" ?: ?"/g

const lengthOf = (value: unknown): number => (typeof value === 'string' ? value.length : 0)
const jsonLength = (value: unknown): number =>
  typeof value === 'string' ? value.length : value === undefined ? 0 : (JSON.stringify(value)?.length ?? 0)

/** One value or a list of them: events tell a single one, bodies a list. */
const each = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? (value as unknown[]) : isObject(value) ? [value] : []

const contentChars = (content: unknown): number =>
  typeof content === 'string'
    ? content.length
    : each(content).reduce<number>((sum, part) => sum + lengthOf(textAt(part, 'text')) + lengthOf(textAt(part, 'thinking')), 0)

/** Usage of chat (`usage`), and of everything else and of version 1 (`meta`). */
const takeUsage = (value: JsonObject, seen: Seen): void => {
  const usage = objectAt(value, 'usage')
  if (usage !== null) seen.merged('cohere.usage', usage)
  const meta = objectAt(value, 'meta')
  if (meta !== null) seen.merged('cohere.meta', meta)
}

/**
 * Cohere's API in both versions: chat as a body, as SSE, and as the JSON lines of version 1; embeddings and rankings as a body.
 *
 * The last event of version 2 is `[DONE]`; where it does not come, the stream's end follows `message-end`. Version 1 ends with `stream-end`.
 */
export const cohereReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const failed = (value: unknown): void => {
    seen.error = errorIn(family, status, value) ?? seen.error
  }

  const ended = (value: JsonObject): void => {
    const reason = textAt(value, 'finish_reason')
    seen.finished(reason)
    if (reason?.startsWith('ERROR') === true || reason === 'TIMEOUT' || textAt(value, 'error') !== null)
      failed(reason === null ? { ...value, finish_reason: 'ERROR' } : value)
  }

  /** Version 2: a message, or the piece of one in an event. */
  const message = (value: JsonObject): void => {
    seen.delivered(contentChars(value.content) + lengthOf(value.tool_plan))
    for (const call of each(value.tool_calls)) {
      const inner = objectAt(call, 'function')
      // The first piece of a call names it.
      if (inner?.name !== undefined) seen.called()
      seen.delivered(jsonLength(inner?.arguments))
    }
  }

  /** Version 1 lists calls whole, in an event and again in the last one. */
  const calls = (value: JsonObject): void => {
    if (seen.toolCalls > 0) return
    for (const call of listAt(value, 'tool_calls')) {
      seen.called()
      seen.delivered(jsonLength(isObject(call) ? call.parameters : undefined))
    }
  }

  /** Version 1: a body, or the last event's `response`, which repeats what was streamed. */
  const whole = (value: JsonObject): void => {
    seen.id(textAt(value, 'response_id') ?? textAt(value, 'generation_id'))
    if (!seen.content) seen.delivered(lengthOf(value.text))
    calls(value)
    ended(value)
    takeUsage(value, seen)
  }

  const eventOf2 = (type: string, value: JsonObject): void => {
    const delta = objectAt(value, 'delta')
    seen.id(textAt(value, 'id'))
    const inner = objectAt(delta, 'message')
    if (inner !== null && !type.startsWith('citation')) message(inner)
    if (type !== 'message-end') return
    const end = delta ?? value
    ended(end)
    takeUsage(end, seen)
  }

  const eventOf1 = (type: string, value: JsonObject): void => {
    seen.id(textAt(value, 'generation_id'))
    switch (type) {
      case 'text-generation':
        return seen.delivered(lengthOf(value.text))
      case 'tool-calls-chunk': {
        seen.delivered(lengthOf(value.text))
        const piece = objectAt(value, 'tool_call_delta')
        if (piece?.name !== undefined && piece.name !== null) seen.called()
        seen.delivered(jsonLength(piece?.parameters ?? undefined))
        return
      }
      case 'tool-calls-generation':
        return calls(value)
      case 'stream-end': {
        const response = objectAt(value, 'response')
        if (response !== null) whole(response)
        ended(value)
        takeUsage(value, seen)
        seen.terminal = true
      }
    }
  }

  return {
    event: (data, name) => {
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      if (deltaEvent.test(data)) {
        deltaText.lastIndex = 0
        if (deltaText.test(data)) return seen.delivered(stringLength(data, deltaText.lastIndex))
      }
      const value = parsed(data)
      if (!isObject(value)) return seen.note('malformed')
      const old = textAt(value, 'event_type')
      const type = old ?? textAt(value, 'type') ?? name ?? ''
      if (old !== null || (value.is_finished !== undefined && textAt(value, 'type') === null)) return eventOf1(type, value)
      // An error between events has no type of its own, or this one.
      if (type === 'error' || textAt(value, 'message') !== null) failed(value)
      else eventOf2(type, value)
    },
    body: (value) => {
      if (!isObject(value)) return seen.note('malformed')
      if (status >= 400) return failed(value)
      // A gateway may answer with an error of its own under any status.
      if (value.error !== undefined && objectAt(value, 'message') === null && textAt(value, 'finish_reason') === null)
        failed(value)
      seen.id(textAt(value, 'id'))
      seen.model(textAt(value, 'model'))
      const said = objectAt(value, 'message')
      if (said !== null) message(said)
      whole(value)
    },
  }
}
