import { randomFillSync } from 'node:crypto'

const pool = Buffer.allocUnsafe(4096)
let used = pool.length
let lastMs = 0
let counter = 0

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * A UUIDv7 (RFC 9562): sorts by time, and within a millisecond of one process by order of making (12-bit counter).
 *
 * @param nowMs Milliseconds since the epoch.
 */
export const uuidv7 = (nowMs: number): string => {
  if (used + 10 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const at = used
  used += 8
  if (nowMs > lastMs) {
    lastMs = nowMs
    counter = pool.readUInt16LE(at) & 0x7ff
  } else if (++counter > 0xfff) {
    lastMs++
    counter = 0
  }
  const high = Math.floor(lastMs / 0x1_0000)
  const b = (value: number): string => hex[value & 0xff] as string
  const r = (offset: number): string => hex[pool[at + offset] as number] as string
  return (
    `${b(high >>> 24)}${b(high >>> 16)}${b(high >>> 8)}${b(high)}-${b(lastMs / 256)}${b(lastMs)}-` +
    `7${(counter >>> 8).toString(16)}${b(counter)}-${b(((pool[at] as number) & 0x3f) | 0x80)}${r(1)}-` +
    `${r(2)}${r(3)}${r(4)}${r(5)}${r(6)}${r(7)}`
  )
}
