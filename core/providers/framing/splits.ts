/** Ways to cut bytes that find faults in readers; for tests. */

/** A small repeatable generator: the same seed gives the same cuts. */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const cutAt = (bytes: Buffer, places: Iterable<number>): readonly Buffer[] => {
  const sorted = [...new Set(places)].filter((place) => place > 0 && place < bytes.length).sort((a, b) => a - b)
  const pieces: Buffer[] = []
  let from = 0
  for (const place of [...sorted, bytes.length]) {
    pieces.push(bytes.subarray(from, place))
    from = place
  }
  return pieces
}

/** Places inside of a UTF-8 sequence and between CR and LF. */
const sorePlaces = (bytes: Buffer): readonly number[] => {
  const places: number[] = []
  for (let at = 1; at < bytes.length; at++)
    if (((bytes[at] as number) & 0xc0) === 0x80 || (bytes[at] === 10 && (bytes[at - 1] === 13 || bytes[at - 1] === 10)))
      places.push(at)
  return places
}

/** Whole; byte by byte; at every sore place; `times` seeded random splits. */
export const splitsOf = (bytes: Buffer, times = 20): readonly { readonly name: string; readonly pieces: readonly Buffer[] }[] => [
  { name: 'whole', pieces: [bytes] },
  { name: 'byte by byte', pieces: cutAt(bytes, bytes.keys()) },
  { name: 'inside UTF-8 and line ends', pieces: cutAt(bytes, sorePlaces(bytes)) },
  ...Array.from({ length: times }, (_, index) => {
    const seed = 1000 + index
    const next = random(seed)
    const cuts = 1 + Math.floor(next() * 40)
    return {
      name: `seed ${seed}`,
      pieces: cutAt(
        bytes,
        Array.from({ length: cuts }, () => Math.floor(next() * bytes.length)),
      ),
    }
  }),
]
