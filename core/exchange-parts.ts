import type { Learned, StartLearned } from './exchange.js'

/**
 * `encodeExchange` for the hot path: the settled part is written out once and serves the start and the end.
 *
 * @param settled JSON of a `Settled`.
 * @param pieces The request body, then the response body.
 */
export const encodeParts = (settled: string, learned: StartLearned | Learned, pieces: readonly Uint8Array[]): Uint8Array[] => [
  headBytes(settled, JSON.stringify(learned)),
  ...pieces,
]

/** A slab serves several heads, at half the cost of a buffer each. It is kept while one of them is. */
const slabBytes = 16 * 1024
let slab = Buffer.allocUnsafeSlow(slabBytes)
let used = 0

/** Two JSON objects as one, after its length. */
const headBytes = (first: string, second: string): Buffer => {
  const least = 4 + first.length + second.length
  if (least <= slabBytes / 2) {
    if (slab.length - used < least + 4) {
      slab = Buffer.allocUnsafeSlow(slabBytes)
      used = 0
    }
    const end = writeHead(slab, used, first, second)
    // A character takes 4 bytes at most: with as many left over, none was cut off.
    if (end <= slab.length - 4) {
      const head = slab.subarray(used, end)
      used = end
      return head
    }
  }
  const own = Buffer.allocUnsafe(4 + Buffer.byteLength(first) + Buffer.byteLength(second))
  return own.subarray(0, writeHead(own, 0, first, second))
}

/** @returns Where the head ends. */
const writeHead = (into: Buffer, at: number, first: string, second: string): number => {
  const joint = at + 4 + into.write(first, at + 4) - 1
  const end = joint + into.write(second, joint)
  into[joint] = 0x2c // `}{` becomes `,`
  into.writeUInt32LE(end - at - 4, at)
  return end
}
