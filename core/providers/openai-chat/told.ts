import { errorIn } from '../classify-error.js'
import { isObject, objectAt, parsed, textAt, type JsonObject } from '../json-text.js'
import type { Seen } from '../seen.js'

/** What a gateway tells of its cost beside `usage` (Vercel: snake_case in chat, camelCase in embeddings and Responses). */
export const takeGatewayCost = (value: unknown, seen: Seen): void => {
  const metadata = objectAt(value, 'provider_metadata') ?? objectAt(value, 'providerMetadata')
  const cost = objectAt(metadata, 'gateway')?.cost
  if (cost !== undefined) seen.raw('provider_metadata', { gateway: { cost } })
}

/** Takes a usage object; a later one replaces it field by field. */
export const takeUsage = (usage: unknown, seen: Seen): void => {
  if (isObject(usage)) seen.merged('usage', usage)
  else seen.raw('usage', usage)
}

/** Takes what any body or event in OpenAI's form may tell: ids, model, tier, usage in all its places, cost, error. */
export const takeTold = (value: JsonObject, family: string, status: number, seen: Seen): void => {
  const groq = objectAt(value, 'x_groq')
  seen.id(textAt(value, 'id') ?? textAt(groq, 'id'))
  seen.model(textAt(value, 'model'))
  seen.raw('service_tier', textAt(value, 'service_tier'))
  takeUsage(value.usage ?? objectAt(value, 'meta'), seen)
  seen.raw('usage_info', value.usage_info)
  seen.raw('x_groq', groq?.usage)
  // llama.cpp tells these in the last chunk even where usage was not asked for.
  seen.raw('timings', objectAt(value, 'timings'))
  takeGatewayCost(value, seen)
  if (status >= 400 || value.error !== undefined || value.object === 'error' || value.type === 'error')
    seen.error = errorIn(family, status, value) ?? seen.error
  else if (groq?.error !== undefined) seen.error = errorIn(family, status, groq) ?? seen.error
}

/** An error that comes as an event of its own name, with or without the word in its data (Groq). */
export const takeErrorEvent = (value: JsonObject, family: string, status: number, seen: Seen): void => {
  if (value.error === undefined) seen.error = errorIn(family, status, { error: value }) ?? seen.error
}

/** The object of a body. Google's OpenAI form answers errors as a list of one. */
export const bodyObject = (value: unknown, seen: Seen): JsonObject | null => {
  const object: unknown = Array.isArray(value) ? value[0] : value
  if (isObject(object)) return object
  seen.note('malformed')
  return null
}

const typeOf = /"type" ?: ?"([^"]*)"/

/** The type of an event, as its data tells it, else as its name does; empty when neither does. */
export const eventType = (data: string, name: string | null): string => typeOf.exec(data)?.[1] ?? name ?? ''

/**
 * The value of a typed event whose content is sound or pictures.
 *
 * @param piece How the types of pieces end: they are content, too large to parse, and tell nothing.
 * @returns `null` when there is nothing to read: the end, a piece, or text that is no JSON object (noted).
 */
export const typedEvent = (
  data: string,
  name: string | null,
  piece: string,
  seen: Seen,
): { readonly type: string; readonly value: JsonObject } | null => {
  if (data.startsWith('[DONE]')) {
    seen.terminal = true
    return null
  }
  seen.events++
  const type = eventType(data, name)
  if (type.endsWith(piece)) {
    seen.content = true
    return null
  }
  const value = parsed(data)
  if (isObject(value)) return { type, value }
  seen.note('malformed')
  return null
}
