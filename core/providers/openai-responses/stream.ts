import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

const delta = /"delta" ?: ?"/g
const typeOf = /"type" ?: ?"([^"]*)"/
const ends: Readonly<Record<string, true>> = { 'response.completed': true, 'response.incomplete': true, 'response.failed': true }
const ignored = /^response\.(?:in_progress|queued|.*\.(?:done|added|in_progress|searching|interpreting|completed))$/

/** What is billed per use: a page opened or searched inside of is part of the search before it. */
const billed = (item: JsonObject): string | null => {
  const type = textAt(item, 'type')
  if (type === null || !type.endsWith('_call')) return null
  if (type !== 'web_search_call') return type
  const action = textAt(objectAt(item, 'action'), 'type')
  return action === null || action === 'search' ? type : null
}

const itemChars = (item: unknown): number => {
  if (!isObject(item)) return 0
  let chars = textAt(item, 'arguments')?.length ?? textAt(item, 'input')?.length ?? textAt(item, 'code')?.length ?? 0
  for (const part of [...listAt(item, 'content'), ...listAt(item, 'summary')])
    chars += (textAt(part, 'text') ?? textAt(part, 'refusal'))?.length ?? 0
  return chars
}

/** OpenAI's Responses API: typed events, the whole response repeated in the last one, no [DONE]. */
export const responsesReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const tools: Record<string, number> = {}
  const done = new Set<string>()

  const item = (value: unknown): void => {
    if (!isObject(value)) return
    const type = textAt(value, 'type') ?? ''
    const id = textAt(value, 'id') ?? `#${done.size}`
    // The last event repeats every item that has had its own.
    if (!type.endsWith('_call') || done.has(id)) return
    done.add(id)
    seen.called()
    const tool = billed(value)
    if (tool !== null && tool !== 'function_call' && tool !== 'custom_tool_call') {
      tools[tool] = (tools[tool] ?? 0) + 1
      seen.raw('tools', tools)
    }
  }

  const response = (value: JsonObject): void => {
    seen.id(textAt(value, 'id'))
    seen.model(textAt(value, 'model'))
    seen.raw('usage', value.usage)
    seen.raw('service_tier', textAt(value, 'service_tier'))
    const state = textAt(value, 'status')
    if (state === 'completed' || state === 'incomplete' || state === 'failed' || state === 'cancelled')
      seen.finished(textAt(objectAt(value, 'incomplete_details'), 'reason') ?? state)
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
      if (type !== 'response.output_item.done' && ignored.test(type)) return
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      if (type === 'response.output_item.done') item(value.item)
      else if (type === 'error') seen.error = errorIn(family, status, { error: objectAt(value, 'error') ?? value }) ?? seen.error
      else {
        const inner = objectAt(value, 'response')
        if (inner !== null) {
          response(inner)
          if (ends[type] === true) {
            for (const output of listAt(inner, 'output')) item(output)
            seen.terminal = true
          }
        } else seen.error = errorIn(family, status, value) ?? seen.error
      }
    },
    body: (value) => {
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      const output = listAt(value, 'output')
      response(value)
      if (value.object !== 'response') seen.error = errorIn(family, status, value) ?? seen.error
      for (const entry of output) {
        item(entry)
        seen.delivered(itemChars(entry))
      }
    },
  }
}
