import type { Splitter } from './sse.js'

/** Counts the UTF-16 units of an answer in plain text (transcripts, subtitles); nothing of it is kept. */
export const plainText = (onText: (units: number) => void): Splitter => ({
  push: (chunk) => {
    let units = 0
    for (const byte of chunk) {
      // One unit for each first byte of a character, two for those of four bytes.
      if (byte < 0x80 || byte >= 0xc0) units++
      if (byte >= 0xf0) units++
    }
    onText(units)
  },
  end: () => undefined,
  atBoundary: () => false,
})
