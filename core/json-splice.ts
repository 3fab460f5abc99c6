const quote = 0x22
const backslash = 0x5c

/** Index behind the closing quote of the string that opens at `at`; -1 when it does not close. */
const stringEnd = (json: Uint8Array, at: number): number => {
  for (let i = at + 1; i < json.length; i++) {
    if (json[i] === backslash) i++
    else if (json[i] === quote) return i + 1
  }
  return -1
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Where the value of a top-level string member lies, quotes included: the last one when the key is repeated, as JSON.parse has it. */
const topLevelString = (json: Uint8Array, key: string): { readonly start: number; readonly end: number } | null => {
  const wanted = Buffer.from(JSON.stringify(key))
  let found: { start: number; end: number } | null = null
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) depth--
    else if (byte === quote) {
      const end = stringEnd(json, i)
      if (end < 0) return found
      if (depth === 1 && end - i === wanted.length && wanted.compare(json, i, end) === 0) {
        let at = end
        while (isSpace(json[at])) at++
        if (json[at] === 0x3a) {
          at++
          while (isSpace(json[at])) at++
          if (json[at] === quote) {
            const valueEnd = stringEnd(json, at)
            if (valueEnd < 0) return found
            found = { start: at, end: valueEnd }
            i = valueEnd - 1
            continue
          }
        }
      }
      i = end - 1
    }
  }
  return found
}

/**
 * Replaces the value of a top-level string member of a JSON object; every other byte stays.
 *
 * @returns The new body in pieces, or `null` when there is no such member.
 */
export const spliceString = (json: Buffer, key: string, value: string): Buffer | null => {
  const at = topLevelString(json, key)
  if (at === null) return null
  return Buffer.concat([json.subarray(0, at.start), Buffer.from(JSON.stringify(value)), json.subarray(at.end)])
}
