// Text of JSON is held as latin1, one character a byte: it is made in a tenth of the time of UTF-8 and searched at the speed of a
// string; only what is parsed is decoded.

type Sliced = Buffer & { latin1Slice(from: number, to: number): string; utf8Slice(from: number, to: number): string }

// Node's own paths behind `toString`, which its types leave out: half the cost on a chunk of a stream.

/** One character a byte. */
export const latin1 = (bytes: Buffer, from = 0, to = bytes.length): string => (bytes as Sliced).latin1Slice(from, to)
/** The text of UTF-8 bytes. */
export const utf8 = (bytes: Buffer): string => (bytes as Sliced).utf8Slice(0, bytes.length)

const beyondAscii = /[\u0080-\u00FF]/

/** Decodes latin1 text that holds UTF-8. */
export const decoded = (text: string): string => (beyondAscii.test(text) ? utf8(Buffer.from(text, 'latin1')) : text)

/** @returns The value, or `undefined` when the text is not JSON. */
export const parsed = (text: string): unknown => {
  try {
    return JSON.parse(decoded(text)) as unknown
  } catch {
    return undefined
  }
}

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const objectAt = (value: unknown, key: string): JsonObject | null => {
  const found = isObject(value) ? value[key] : undefined
  return isObject(found) ? found : null
}
export const listAt = (value: unknown, key: string): readonly unknown[] => {
  const found = isObject(value) ? value[key] : undefined
  return Array.isArray(found) ? (found as unknown[]) : []
}
/** A string that is not empty, else `null`. */
export const textAt = (value: unknown, key: string): string | null => {
  const found = isObject(value) ? value[key] : undefined
  return typeof found === 'string' && found !== '' ? found : null
}

/**
 * Length in UTF-16 units of the JSON string whose opening quote is just before `at`, without parsing it: what `JSON.parse(...).length`
 * would give.
 */
export const stringLength = (text: string, at: number): number => {
  let units = 0
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 34) break
    if (code === 92) {
      if (text.charCodeAt(i + 1) === 117) i += 5
      else i++
      units++
    } else if (code < 0x80) units++
    else if (code >= 0xf0) units += 2
    else if (code >= 0xc0) units++
  }
  return units
}
