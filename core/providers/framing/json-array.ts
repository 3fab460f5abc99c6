import { latin1 } from '../json-text.js'
import { maxEventBytes, type OnEvent, type Splitter } from './sse.js'

const QUOTE = 34
const BACKSLASH = 92

/**
 * Splits one top-level JSON array, in any pieces, into its elements (Gemini streams without `alt=sse`). Depth is counted outside of
 * strings only; nothing else of the syntax is checked, so a broken element reaches the reader and is noted there.
 */
export const jsonArraySplitter = (onEvent: OnEvent, note: (note: string) => void): Splitter => {
  let pieces: Buffer[] = []
  let heldBytes = 0
  let depth = 0
  let inString = false
  let escaped = false
  let inElement = false
  let skipping = false

  const flush = (tail: Buffer): void => {
    if (skipping) skipping = false
    else {
      const text = heldBytes === 0 ? latin1(tail) : latin1(Buffer.concat([...pieces, tail]))
      if (text.trim() !== '') onEvent(text, null)
    }
    pieces = []
    heldBytes = 0
    inElement = false
  }

  const hold = (piece: Buffer): void => {
    if (skipping || piece.length === 0) return
    heldBytes += piece.length
    if (heldBytes > maxEventBytes) {
      note('event_too_large')
      skipping = true
      pieces = []
      heldBytes = 0
    } else pieces.push(piece)
  }

  return {
    push: (chunk) => {
      let start = 0
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at] as number
        if (inString) {
          if (escaped) escaped = false
          else if (byte === BACKSLASH) escaped = true
          else if (byte === QUOTE) inString = false
          continue
        }
        if (byte === QUOTE) {
          inString = true
          if (depth === 1 && !inElement) {
            inElement = true
            start = at
          }
        } else if (byte === 0x7b || byte === 0x5b) {
          if (depth === 1 && !inElement) {
            inElement = true
            start = at
          }
          depth++
        } else if (byte === 0x7d || byte === 0x5d) {
          depth--
          if (depth === 1 && inElement && byte === 0x7d) flush(chunk.subarray(start, at + 1))
          else if (depth <= 0) {
            if (inElement) flush(chunk.subarray(start, at))
            depth = 0
          }
        } else if (byte === 0x2c && depth === 1 && inElement) flush(chunk.subarray(start, at))
      }
      if (inElement) hold(start === 0 ? chunk : chunk.subarray(start))
    },
    end: () => {
      if (inElement && heldBytes > 0) flush(Buffer.alloc(0))
    },
    atBoundary: () => !inElement && !inString,
  }
}
