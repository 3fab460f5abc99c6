export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** The text as JSON, or `undefined` when it is none: a stream, a cut body, plain text. */
export const parsedJson = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** What stands in a folded branch: `3 items`, `2 keys`. */
export const summaryOf = (value: Json): string => {
  if (Array.isArray(value)) return value.length === 1 ? '1 item' : `${value.length} items`
  const keys = value === null ? 0 : Object.keys(value).length
  return keys === 1 ? '1 key' : `${keys} keys`
}

export const isBranch = (value: Json): value is readonly Json[] | { readonly [key: string]: Json } =>
  value !== null && typeof value === 'object'

/** Children of a branch with their names, in order. */
export const childrenOf = (value: Json): readonly (readonly [string, Json])[] =>
  Array.isArray(value) ? value.map((item: Json, i) => [String(i), item] as const) : isBranch(value) ? Object.entries(value) : []

/** Laid out for reading; text that is no JSON stays as it is. */
export const prettyJson = (text: string): string => {
  const value = parsedJson(text)
  return value === undefined ? text : JSON.stringify(value, null, 2)
}
