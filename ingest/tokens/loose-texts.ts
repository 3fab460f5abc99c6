import { isObject } from '../../core/providers/json-text.js'

const maxDepth = 24
/** What texts are called, in the request forms we know. */
const names = new Set(['content', 'input', 'instructions', 'message', 'prompt', 'query', 'system', 'system_instruction', 'text'])
/** Data of pictures and files, and tools, which are counted by themselves. */
const notRead = new Set(['bytes', 'data', 'source', 'tools'])

/** The texts of a request in a form that no conversation is read from (Gemini's Interactions): told by their names. Never throws. */
export const looseTexts = (request: unknown): readonly string[] => {
  const texts: string[] = []
  const walk = (value: unknown, name: string, depth: number): void => {
    if (depth > maxDepth) return
    if (typeof value === 'string') {
      if (names.has(name)) texts.push(value)
    } else if (Array.isArray(value)) for (const entry of value) walk(entry, name, depth + 1)
    else if (isObject(value)) for (const [key, inner] of Object.entries(value)) if (!notRead.has(key)) walk(inner, key, depth + 1)
  }
  if (isObject(request)) walk(request, '', 0)
  return texts
}
