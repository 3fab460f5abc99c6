import { isObject, objectAt, textAt, type JsonObject } from '../json-text.js'
import type { Seen } from '../seen.js'

/** What the client itself runs. */
const clientTools: ReadonlySet<string> = new Set([
  'function_call',
  'custom_tool_call',
  'computer_call',
  'local_shell_call',
  'shell_call',
  'apply_patch_call',
])

/** A page opened or searched inside of is part of the search before it. */
const isBilled = (item: JsonObject, type: string): boolean => {
  if (clientTools.has(type)) return false
  if (type !== 'web_search_call') return true
  const action = textAt(objectAt(item, 'action'), 'type')
  return action === null || action === 'search'
}

/** Counts the tools of one Responses answer, each once, although its last event repeats all items that had events of their own. */
export interface ItemCounter {
  /** An item that is done, and its place in the output where that is told. */
  done(item: unknown, index: unknown): void
  /** The whole output: items that had no event of their own. */
  output(items: readonly unknown[]): void
}

/** What the provider runs is kept as the source `tools`, by the item's type; containers apart, as several calls share one. */
export const itemCounter = (seen: Seen): ItemCounter => {
  const tools: Record<string, number> = {}
  const ids = new Set<string>()
  const places = new Set<unknown>()
  const containers = new Set<string>()

  const count = (item: JsonObject, type: string): void => {
    seen.called()
    if (!isBilled(item, type)) return
    tools[type] = (tools[type] ?? 0) + 1
    if (type === 'code_interpreter_call') {
      containers.add(textAt(item, 'container_id') ?? '')
      tools.containers = containers.size
    }
    seen.raw('tools', tools)
  }

  const take = (item: unknown, index: unknown, isKnown: (id: string | null) => boolean): void => {
    const type = textAt(item, 'type')
    if (!isObject(item) || type === null || !type.endsWith('_call')) return
    const id = textAt(item, 'id')
    const known = isKnown(id)
    if (id !== null) ids.add(id)
    if (typeof index === 'number') places.add(index)
    if (!known) count(item, type)
  }

  return {
    done: (item, index) => take(item, index, (id) => (id === null ? places.has(index) : ids.has(id))),
    // Some servers make up another id each time they tell an item: there its place says that it is the same.
    output: (items) => items.forEach((item, at) => take(item, at, (id) => places.has(at) || (id !== null && ids.has(id)))),
  }
}
