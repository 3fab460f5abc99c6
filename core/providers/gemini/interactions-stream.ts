import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

const typeOf = /"event_type" ?: ?"([^"]*)"/
const deltaText = /"(?:text|arguments)" ?: ?"/g
/** Deltas of text and arguments are many; everything else is parsed. */
const plainDelta = /"type" ?: ?"(?:text|arguments_delta|thought_summary)"/

const pending: ReadonlySet<string> = new Set(['queued', 'in_progress'])
const failed: ReadonlySet<string> = new Set(['failed', 'budget_exceeded'])

/** Google's own tools that are counted, by the type of the step that calls them. Running code and searching files have no fee. */
const serverTools: ReadonlyMap<string, string> = new Map([
  ['google_search_call', 'google_search'],
  ['google_maps_call', 'google_maps'],
  ['url_context_call', 'url_context'],
  ['mcp_server_tool_call', 'mcp'],
])

const argumentChars = (value: unknown): number =>
  typeof value === 'string' ? value.length : isObject(value) && Object.keys(value).length > 0 ? JSON.stringify(value).length : 0

/**
 * Google's Interactions, streamed or whole, made now or read later. Steps come as `step.*`, in its first months as `content.*`; the
 * usage in the last event, or, when that has none, in the last step.
 */
export const interactionsReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const tools = new Map<string, number>()
  /** Steps whose call was counted: its pieces repeat the type. */
  const called = new Set<string>()

  const toolUsed = (name: string, times: number): void => {
    tools.set(name, (tools.get(name) ?? 0) + times)
    seen.raw('interaction.tools', Object.fromEntries(tools))
  }

  /** What a step, a block of its content or a piece of it holds. `key` names the step. */
  const piece = (value: unknown, key: string): void => {
    const type = textAt(value, 'type') ?? ''
    if (!isObject(value) || type === 'user_input' || type.endsWith('_result') || textAt(value, 'role') === 'user') return
    if (typeof value.text === 'string') seen.delivered(value.text.length)
    if (type === 'function_call' || type.endsWith('_call')) {
      const tool = serverTools.get(type)
      const queries = listAt(objectAt(value, 'arguments'), 'queries').length
      if (!called.has(key)) {
        called.add(key)
        seen.called()
        if (tool !== undefined && tool !== 'google_search') toolUsed(tool, 1)
      }
      if (tool === 'google_search' && queries > 0) toolUsed(tool, queries)
      seen.delivered(argumentChars(value.arguments))
    } else if (type === 'arguments_delta') seen.delivered(argumentChars(value.arguments))
    if (textAt(value, 'data') !== null || textAt(value, 'uri') !== null) seen.content = true
    const content = value.content
    for (const inner of Array.isArray(content) ? content : isObject(content) ? [content] : []) piece(inner, key)
    for (const inner of listAt(value, 'summary')) piece(inner, key)
  }

  const usage = (value: JsonObject): void => {
    const told = objectAt(value, 'usage')
    if (told !== null) seen.merged('interaction.usage', told)
  }

  const ended = (state: string | null): void => {
    if (state === null || pending.has(state)) return
    seen.finished(state)
    if (failed.has(state) && seen.error === null) seen.error = { kind: 'server', code: state, message: '' }
  }

  const interaction = (value: JsonObject): void => {
    seen.id(textAt(value, 'id'))
    seen.model(textAt(value, 'model') ?? textAt(value, 'agent'))
    seen.raw('service_tier', textAt(value, 'service_tier'))
    usage(value)
    if (objectAt(value, 'error') !== null) seen.error = errorIn(family, status, value) ?? seen.error
    ended(textAt(value, 'status'))
  }

  return {
    event: (data, name) => {
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      const type = name ?? typeOf.exec(data)?.[1] ?? ''
      if (type.endsWith('.delta') && plainDelta.test(data)) {
        deltaText.lastIndex = 0
        if (deltaText.test(data)) seen.delivered(stringLength(data, deltaText.lastIndex))
        return
      }
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      const told = textAt(value, 'event_type') ?? type
      const key = `step ${String(value.index ?? value.id ?? '')}`
      const inner = objectAt(value, 'interaction')
      if (inner !== null) interaction(inner)
      else if (told.startsWith('interaction.') && value.object === 'interaction') interaction(value)
      if (told === 'interaction.status_update') {
        seen.id(textAt(value, 'interaction_id'))
        ended(textAt(value, 'status'))
      }
      if (told.startsWith('interaction.complete')) seen.terminal = true
      if (told === 'error' || value.error !== undefined) seen.error = errorIn(family, status, value) ?? seen.error
      piece(objectAt(value, 'step') ?? objectAt(value, 'content'), key)
      piece(objectAt(value, 'delta'), key)
      if (inner === null) usage(value)
    },
    body: (value) => {
      const object: unknown = Array.isArray(value) ? value[0] : value
      if (!isObject(object)) {
        seen.note('malformed')
        return
      }
      if (status >= 400) {
        seen.error = errorIn(family, status, object) ?? seen.error
        return
      }
      interaction(object)
      const state = textAt(object, 'status')
      // Read before it was done: it is made in the background and tells its usage later.
      if (state !== null && pending.has(state)) seen.raw('pending', state)
      for (const [at, step] of [...listAt(object, 'steps'), ...listAt(object, 'outputs')].entries()) piece(step, `step ${at}`)
    },
  }
}
