import { latin1 } from '../json-text.js'
import { maxEventBytes, type OnEvent, type Splitter } from './sse.js'

/** Splits JSON lines, ended by LF or CRLF; the last may lack its end. Empty lines are no events. */
export const ndjsonSplitter = (onEvent: OnEvent, note: (note: string) => void): Splitter => {
  let pieces: Buffer[] = []
  let heldBytes = 0
  let skipping = false

  const flush = (tail: Buffer): void => {
    if (skipping) skipping = false
    else {
      const text = (heldBytes === 0 ? latin1(tail) : latin1(Buffer.concat([...pieces, tail]))).trim()
      if (text !== '') onEvent(text, null)
    }
    pieces = []
    heldBytes = 0
  }

  return {
    push: (chunk) => {
      let start = 0
      for (let stop = chunk.indexOf(10); stop !== -1; stop = chunk.indexOf(10, start)) {
        flush(chunk.subarray(start, stop))
        start = stop + 1
      }
      if (start === chunk.length || skipping) return
      heldBytes += chunk.length - start
      if (heldBytes > maxEventBytes) {
        note('event_too_large')
        skipping = true
        pieces = []
        heldBytes = 0
      } else pieces.push(chunk.subarray(start))
    },
    end: () => {
      if (heldBytes > 0) flush(Buffer.alloc(0))
    },
    atBoundary: () => heldBytes === 0 && !skipping,
  }
}
