import { HeldBytes } from './held-bytes.js'
import { maxEventBytes, type OnEvent, type Splitter } from './sse.js'

const byteOrderMark = '\u00EF\u00BB\u00BF'
/** Spaces of JSON: the last byte of a character beyond ASCII may look like one of Unicode's. */
const space = /^[ \t\r\n]+|[ \t\r\n]+$/g

/** Splits JSON lines, ended by LF or CRLF; the last may lack its end. Empty lines are no events. */
export const ndjsonSplitter = (onEvent: OnEvent, note: (note: string) => void, most = maxEventBytes): Splitter => {
  const held = new HeldBytes()
  let skipping = false
  let atStart = true

  const skip = (): void => {
    note('event_too_large')
    held.clear()
  }

  const flush = (tail: Buffer): void => {
    if (skipping) skipping = false
    else if (held.bytes + tail.length > most) skip()
    else {
      let text = held.take(tail)
      if (atStart && text.startsWith(byteOrderMark)) text = text.slice(byteOrderMark.length)
      text = text.replace(space, '')
      if (text !== '') onEvent(text, null)
    }
    atStart = false
  }

  return {
    push: (chunk) => {
      let start = 0
      for (let stop = chunk.indexOf(10); stop !== -1; stop = chunk.indexOf(10, start)) {
        flush(chunk.subarray(start, stop))
        start = stop + 1
      }
      if (start === chunk.length || skipping) return
      if (held.bytes + chunk.length - start > most) {
        skip()
        skipping = true
      } else held.add(start === 0 ? chunk : chunk.subarray(start))
    },
    end: () => {
      if (held.bytes > 0) flush(Buffer.alloc(0))
    },
    atBoundary: () => held.bytes === 0 && !skipping,
  }
}
