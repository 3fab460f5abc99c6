import { isObject, listAt } from '../../core/providers/json-text.js'

export interface LooseTexts {
  readonly texts: readonly string[]
  /** How many messages they were said in, as far as can be told. */
  readonly messages: number
}

const maxDepth = 24
/** What texts are called, in the request forms we know. */
const names = new Set([
  'content',
  'input',
  'inputText',
  'input_text',
  'instructions',
  'json',
  'message',
  'prompt',
  'query',
  'system',
  'system_instruction',
  'text',
])
/** Data of pictures and files, settings, and tools, which are counted by themselves. */
const notRead = new Set(['bytes', 'data', 'source', 'inferenceConfig', 'toolConfig', 'tools'])

/** The texts of a request in a form that no conversation is read from (Bedrock, Interactions): told by their names. Never throws. */
export const looseTexts = (request: unknown): LooseTexts => {
  const texts: string[] = []
  const walk = (value: unknown, name: string, depth: number): void => {
    if (depth > maxDepth) return
    if (typeof value === 'string') {
      if (names.has(name)) texts.push(value)
    } else if (Array.isArray(value)) for (const entry of value) walk(entry, name, depth + 1)
    else if (isObject(value))
      for (const [key, inner] of Object.entries(value)) {
        if (key === 'toolUse' && isObject(inner)) texts.push(JSON.stringify(inner.input ?? {}))
        else if (!notRead.has(key)) walk(inner, key, depth + 1)
      }
  }
  if (isObject(request)) walk(request, '', 0)
  const said = listAt(request, 'messages').length
  const hasSystem = isObject(request) && request.system !== undefined && said > 0
  return { texts, messages: said === 0 ? Math.min(1, texts.length) : said + (hasSystem ? 1 : 0) }
}
