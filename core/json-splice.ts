import { decoded, latin1, parsed } from './providers/json-text.js'

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const comma = 0x2c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** A stretch of bytes; `end` is behind it. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Where things lie in the text of a JSON object. */
export interface ObjectSpans {
  /** Index of the closing brace. */
  readonly close: number
  readonly isEmpty: boolean
  /** Values of the wanted members that are there: the last one when a key is repeated, as JSON.parse has it. */
  readonly values: ReadonlyMap<string, Span>
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Index of the first byte from `at` on that is not white space. */
export const pastSpace = (json: Buffer, at: number): number => {
  let i = at
  while (isSpace(json[i])) i++
  return i
}

/** Index behind the closing quote of the string that opens at `at`; -1 when it does not close. */
const stringEnd = (json: Buffer, at: number): number => {
  for (let end = json.indexOf(quote, at + 1); end >= 0; end = json.indexOf(quote, end + 1)) {
    let escapes = end
    while (json[escapes - 1] === backslash) escapes--
    if ((end - escapes) % 2 === 0) return end + 1
  }
  return -1
}

/** Index behind the value that begins at `at`; -1 when it does not end. What lies inside of it is not checked. */
const valueEnd = (json: Buffer, at: number): number => {
  const first = json[at]
  if (first === quote) return stringEnd(json, at)
  if (first !== openBrace && first !== openBracket) {
    let end = at
    for (let byte = json[end]; byte !== undefined; byte = json[++end])
      if (byte === comma || byte === closeBrace || byte === closeBracket || isSpace(byte)) break
    return end === at ? -1 : end
  }
  let depth = 0
  for (let i = at; i < json.length; i++) {
    const byte = json[i]
    if (byte === quote) {
      const end = stringEnd(json, i)
      if (end < 0) return -1
      i = end - 1
    } else if (byte === openBrace || byte === openBracket) depth++
    else if (byte === closeBrace || byte === closeBracket) {
      depth--
      if (depth === 0) return i + 1
    }
  }
  return -1
}

/** The key between `start` and `end`, quotes included there, as a parser reads it: `\u005f` may stand for an underscore. */
const keyAt = (json: Buffer, start: number, end: number): unknown => {
  const text = latin1(json, start, end)
  return text.includes('\\') ? parsed(text) : decoded(text.slice(1, -1))
}

/**
 * Finds members of the JSON object that begins at `from` or behind white space, without parsing it.
 *
 * @returns `null` when no whole object begins there. What follows it is not looked at.
 */
export const membersOf = (json: Buffer, wanted: readonly string[], from = 0): ObjectSpans | null => {
  const values = new Map<string, Span>()
  let at = pastSpace(json, from)
  if (json[at] !== openBrace) return null
  at = pastSpace(json, at + 1)
  if (json[at] === closeBrace) return { close: at, isEmpty: true, values }
  for (;;) {
    if (json[at] !== quote) return null
    const keyEnd = stringEnd(json, at)
    if (keyEnd < 0) return null
    const key = keyAt(json, at, keyEnd)
    at = pastSpace(json, keyEnd)
    if (json[at] !== colon) return null
    const start = pastSpace(json, at + 1)
    const end = valueEnd(json, start)
    if (end < 0) return null
    if (typeof key === 'string' && wanted.includes(key)) values.set(key, { start, end })
    at = pastSpace(json, end)
    if (json[at] === closeBrace) return { close: at, isEmpty: false, values }
    if (json[at] !== comma) return null
    at = pastSpace(json, at + 1)
  }
}

/** Puts `text` in the place of some bytes; every other byte stays. */
export const splice = (json: Buffer, { start, end }: Span, text: string): Buffer =>
  Buffer.concat([json.subarray(0, start), Buffer.from(text), json.subarray(end)])

/**
 * Replaces the value of a top-level string member of a JSON object; every other byte stays.
 *
 * @returns The new body, or `null` when there is no such member.
 */
export const spliceString = (json: Buffer, key: string, value: string): Buffer | null => {
  const at = membersOf(json, [key])?.values.get(key)
  return at === undefined || json[at.start] !== quote ? null : splice(json, at, JSON.stringify(value))
}
