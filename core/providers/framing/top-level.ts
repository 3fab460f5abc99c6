import { latin1 } from '../json-text.js'

const QUOTE = 34
const BACKSLASH = 92
const maxValueBytes = 64 * 1024

/** Bytes in, the text (latin1) of wanted top-level values out, each at most 64 KiB. Holds nothing else of the body. */
export interface TopLevelScanner {
  push(chunk: Buffer): void
  /** @returns Values that were whole and small enough, by key; the last of equal keys wins. */
  values(): ReadonlyMap<string, string>
  /** @returns How many objects and strings the lists under the `lists` keys held. */
  lengths(): ReadonlyMap<string, number>
  /** How many brackets are open: after the last byte of a whole body, none. */
  depth(): number
}

/**
 * Reads single keys of a JSON object of any size in constant memory (wire.md §2).
 *
 * @param lists Keys whose value is a list of objects or strings too large to be kept: they are counted.
 */
export const topLevelScanner = (wanted: readonly string[], lists: readonly string[] = []): TopLevelScanner => {
  const found = new Map<string, string>()
  const lengths = new Map<string, number>()
  let list: string | null = null
  let inList = false
  let depth = 0
  let inString = false
  let escaped = false
  let isKey = true
  let key = ''
  let value = ''
  let collecting: 'key' | 'value' | null = null
  let from = 0

  const take = (chunk: Buffer, to: number): void => {
    if (collecting === null || to <= from) return
    if (collecting === 'key') key += latin1(chunk, from, to)
    else if (value.length + to - from > maxValueBytes) {
      collecting = null
      value = ''
    } else value += latin1(chunk, from, to)
    from = to
    if (key.length > 256) key = key.slice(0, 256)
  }

  const close = (chunk: Buffer, to: number): void => {
    if (collecting === 'value') {
      take(chunk, to)
      const text = value.trim()
      if (collecting !== null && text !== '') found.set(key, text)
    }
    collecting = null
    value = ''
  }

  return {
    push: (chunk) => {
      from = 0
      let slash = -1
      for (let at = 0; at < chunk.length; at++) {
        if (inString && !escaped && collecting === null) {
          // Long strings are skipped at the speed of a byte search; a backslash in between is looked at one by one, and searched for
          // only once: where there is none, every string would look through the whole chunk for it.
          const quote = chunk.indexOf(QUOTE, at)
          if (slash < at) slash = chunk.indexOf(BACKSLASH, at)
          if (slash === -1) slash = chunk.length
          at = Math.min(quote === -1 ? chunk.length : quote, slash)
          if (at >= chunk.length) break
        }
        const byte = chunk[at] as number
        if (inString) {
          if (escaped) escaped = false
          else if (byte === BACKSLASH) escaped = true
          else if (byte === QUOTE) {
            inString = false
            if (collecting === 'key') {
              take(chunk, at)
              collecting = null
            }
          }
          continue
        }
        switch (byte) {
          case QUOTE:
            inString = true
            if (depth === 1 && isKey) {
              collecting = 'key'
              key = ''
              from = at + 1
            } else if (depth === 2 && inList && list !== null) lengths.set(list, (lengths.get(list) ?? 0) + 1)
            break
          case 0x3a: // :
            if (depth === 1 && isKey) {
              isKey = false
              list = lists.includes(key) ? key : null
              if (wanted.includes(key)) {
                found.delete(key)
                collecting = 'value'
                value = ''
                from = at + 1
              }
            }
            break
          case 0x2c: // ,
            if (depth === 1) {
              close(chunk, at)
              isKey = true
              list = null
              inList = false
            }
            break
          case 0x7b: // {
            if (depth === 2 && list !== null) lengths.set(list, (lengths.get(list) ?? 0) + 1)
            depth++
            break
          case 0x5b: // [
            if (depth === 1 && list !== null) inList = true
            depth++
            break
          case 0x7d: // }
          case 0x5d: // ]
            depth--
            if (depth === 0) close(chunk, at)
            break
        }
      }
      take(chunk, chunk.length)
      from = 0
    },
    values: () => found,
    lengths: () => lengths,
    depth: () => depth,
  }
}
