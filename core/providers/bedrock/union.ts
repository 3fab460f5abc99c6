import { isObject, type JsonObject } from '../json-text.js'

const eventNames = [
  'messageStart',
  'contentBlockStart',
  'contentBlockDelta',
  'contentBlockStop',
  'messageStop',
  'metadata',
] as const

/** Nova's invoke wraps each event of Converse into an object of one key. @returns `null` for anything else. */
export const unwrapped = (value: unknown): { readonly name: string; readonly event: JsonObject } | null => {
  if (!isObject(value)) return null
  for (const name of eventNames) {
    const event = value[name]
    if (isObject(event)) return { name, event }
  }
  return null
}
