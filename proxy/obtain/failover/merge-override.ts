import { isObject, type JsonObject } from '../../../core/providers/json-text.js'

/** `from` into `into`: objects are merged, everything else takes the place of what was there. */
export const merged = (into: JsonObject, from: JsonObject): JsonObject => {
  // By entries: a key such as __proto__ is a key like any other.
  const members = new Map(Object.entries(into))
  for (const [key, value] of Object.entries(from)) {
    const before = members.get(key)
    members.set(key, isObject(before) && isObject(value) ? merged(before, value) : value)
  }
  return Object.fromEntries(members)
}

/**
 * Merges an override into a request body: objects into objects, everything else in the place of what was there, arrays too.
 *
 * @returns The body written anew; `null` when it is no JSON object.
 */
export const mergeOverride = (json: Buffer, override: JsonObject): Buffer | null => {
  let body: unknown
  try {
    body = JSON.parse(json.toString())
  } catch {
    return null
  }
  return isObject(body) ? Buffer.from(JSON.stringify(merged(body, override))) : null
}
