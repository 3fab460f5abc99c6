import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import { bodyObject, takeGatewayCost, takeUsage } from '../openai-chat/told.js'
import type { FamilyReader, Seen } from '../seen.js'
import { itemCounter } from './items.js'

const delta = /"delta" ?: ?"/g
const typeOf = /"type" ?: ?"([^"]*)"/
const ends: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.failed', 'response.cancelled'])
const ignored =
  /^response\.(?:in_progress|queued|.*\.(?:done|added|in_progress|searching|interpreting|generating|partial_image|completed|failed))$/
const pending: ReadonlySet<string> = new Set(['queued', 'in_progress'])
const over: ReadonlySet<string> = new Set(['completed', 'incomplete', 'failed', 'cancelled'])

const itemChars = (item: unknown): number => {
  if (!isObject(item)) return 0
  let chars = textAt(item, 'arguments')?.length ?? textAt(item, 'input')?.length ?? textAt(item, 'code')?.length ?? 0
  for (const part of [...listAt(item, 'content'), ...listAt(item, 'summary')])
    chars += (textAt(part, 'text') ?? textAt(part, 'refusal'))?.length ?? 0
  return chars
}

/** OpenAI's Responses API: typed events, the whole response repeated in the last one, no [DONE]. */
export const responsesReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const items = itemCounter(seen)

  const response = (value: JsonObject): void => {
    seen.id(textAt(value, 'id'))
    seen.model(textAt(value, 'model'))
    takeUsage(value.usage, seen)
    takeGatewayCost(value, seen)
    seen.raw('service_tier', textAt(value, 'service_tier'))
    const state = textAt(value, 'status')
    if (state !== null && over.has(state)) seen.finished(textAt(objectAt(value, 'incomplete_details'), 'reason') ?? state)
    const failed = objectAt(value, 'error')
    if (failed !== null) seen.error = errorIn(family, status, { error: failed }) ?? seen.error
  }

  return {
    event: (data, name) => {
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      const type = name ?? typeOf.exec(data)?.[1] ?? ''
      if (type.endsWith('.delta')) {
        delta.lastIndex = 0
        if (delta.test(data)) seen.delivered(stringLength(data, delta.lastIndex))
        return
      }
      if (type !== 'response.output_item.done' && !ends.has(type) && ignored.test(type)) return
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      const told = textAt(value, 'type') ?? type
      if (told === 'response.output_item.done') items.done(value.item, value.output_index)
      else if (told === 'error') seen.error = errorIn(family, status, { error: objectAt(value, 'error') ?? value }) ?? seen.error
      else {
        const inner = objectAt(value, 'response')
        if (inner !== null) {
          response(inner)
          if (ends.has(told)) {
            items.output(listAt(inner, 'output'))
            seen.terminal = true
          }
        } else seen.error = errorIn(family, status, value) ?? seen.error
      }
    },
    body: (value) => {
      const object = bodyObject(value, seen)
      if (object === null) return
      response(object)
      const state = textAt(object, 'status')
      // Read before it was done: made in the background, it tells its usage later.
      if (object.object === 'response' && state !== null && pending.has(state)) seen.raw('pending', state)
      if (object.object !== 'response' || status >= 400) seen.error = errorIn(family, status, object) ?? seen.error
      // Of a body too large to be parsed (pictures are in it) nobody knows which tools were used.
      if (object.object === 'response' && state === 'completed' && object.output === undefined) seen.note('tools_not_read')
      items.output(listAt(object, 'output'))
      for (const entry of listAt(object, 'output')) seen.delivered(itemChars(entry))
    },
  }
}
