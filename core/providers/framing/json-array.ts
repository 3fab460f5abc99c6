import { HeldBytes } from './held-bytes.js'
import { maxEventBytes, type OnEvent, type Splitter } from './sse.js'

const QUOTE = 34
const BACKSLASH = 92
const COMMA = 44

const opens = (byte: number): boolean => byte === 0x7b || byte === 0x5b
const closes = (byte: number): boolean => byte === 0x7d || byte === 0x5d
const isSpace = (byte: number): boolean => byte === 32 || byte === 10 || byte === 13 || byte === 9

/**
 * Splits one top-level JSON array, in any pieces, into its elements (Gemini streams without `alt=sse`). Depth is counted outside of
 * strings only; nothing else of the syntax is checked, so a broken element reaches the reader and is noted there.
 */
export const jsonArraySplitter = (onEvent: OnEvent, note: (note: string) => void, most = maxEventBytes): Splitter => {
  const held = new HeldBytes()
  let depth = 0
  let inString = false
  let escaped = false
  let inElement = false
  let skipping = false

  const skip = (): void => {
    note('event_too_large')
    held.clear()
  }

  const flush = (tail: Buffer): void => {
    inElement = false
    if (skipping) skipping = false
    else if (held.bytes + tail.length > most) skip()
    else onEvent(held.take(tail).trimEnd(), null)
  }

  const hold = (piece: Buffer): void => {
    if (skipping || piece.length === 0) return
    if (held.bytes + piece.length > most) {
      skip()
      skipping = true
    } else held.add(piece)
  }

  return {
    push: (chunk) => {
      let start = 0
      let quote = -1
      let slash = -1
      for (let at = 0; at < chunk.length; at++) {
        if (inString && !escaped) {
          // Pictures are long strings: they are passed at the speed of a byte search.
          if (quote < at) quote = chunk.indexOf(QUOTE, at)
          if (slash < at) slash = chunk.indexOf(BACKSLASH, at)
          if (quote === -1) quote = chunk.length
          if (slash === -1) slash = chunk.length
          at = Math.min(quote, slash)
          if (at === chunk.length) break
          if (at === slash) escaped = true
          else inString = false
          continue
        }
        if (inString) {
          escaped = false
          continue
        }
        const byte = chunk[at] as number
        if (depth === 1 && !inElement && byte !== COMMA && !isSpace(byte) && !closes(byte)) {
          inElement = true
          start = at
        }
        if (byte === QUOTE) inString = depth > 0
        else if (opens(byte)) depth++
        else if (closes(byte)) {
          depth = Math.max(0, depth - 1)
          if (inElement && depth === 1) flush(chunk.subarray(start, at + 1))
          else if (inElement && depth === 0) flush(chunk.subarray(start, at))
        } else if (byte === COMMA && depth === 1 && inElement) flush(chunk.subarray(start, at))
        if (!inElement) start = at + 1
      }
      if (inElement) hold(start === 0 ? chunk : chunk.subarray(start))
    },
    end: () => {
      if (inElement && held.bytes > 0) flush(Buffer.alloc(0))
    },
    atBoundary: () => !inElement && !inString,
  }
}
