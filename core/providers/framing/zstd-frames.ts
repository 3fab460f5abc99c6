/** What a frame may ask to be kept of its own output (RFC 9659). */
export const maxZstdWindow = 8 * 1024 * 1024
/** RFC 8878 §3.1.1.2.4. */
const maxBlockBytes = 128 * 1024

const magic = 0xfd2fb528
const skippableMagic = 0x184d2a5

/** Can these be the first bytes of zstd? `null` = more are needed. A JSON array begins like a skippable frame, for one byte. */
export const isZstd = (head: Buffer): boolean | null => {
  const expected = [[0x28], [0xb5, 0x2a], [0x2f, 0x4d], [0xfd, 0x18]]
  if (head.length === 0) return null
  const skippable = ((head[0] as number) & 0xf0) === 0x50
  for (const [at, bytes] of expected.entries()) {
    if (at === head.length) return null
    if (at === 0 && skippable) continue
    if (head[at] !== bytes[skippable ? 1 : 0]) return false
  }
  return true
}

export interface FrameHead {
  /** Bytes of the header; of the whole frame when it is skippable. */
  readonly bytes: number
  readonly window: number
  readonly hasChecksum: boolean
  readonly isSkippable: boolean
}

/** @returns `null` when more bytes are needed, `undefined` when this is no frame that can be read. RFC 8878 §3.1.1.1. */
const frameHead = (head: Buffer): FrameHead | null | undefined => {
  if (head.length < 5) return null
  const word = head.readUInt32LE(0)
  if (word >>> 4 === skippableMagic)
    return head.length < 8 ? null : { bytes: 8 + head.readUInt32LE(4), window: 0, hasChecksum: false, isSkippable: true }
  const descriptor = head[4] as number
  // A reserved bit, or a dictionary that nobody has sent us.
  if (word !== magic || (descriptor & 0x0b) !== 0) return undefined
  const isSingle = (descriptor & 0x20) !== 0
  const flag = descriptor >>> 6
  const sizeBytes = flag === 0 ? Number(isSingle) : 2 ** flag
  const sizeAt = isSingle ? 5 : 6
  if (head.length < sizeAt + sizeBytes) return null
  const hasChecksum = (descriptor & 4) !== 0
  const bytes = sizeAt + sizeBytes
  if (!isSingle) {
    const asked = head[5] as number
    const base = 2 ** (10 + (asked >>> 3))
    return { bytes, window: base + (base / 8) * (asked & 7), hasChecksum, isSkippable: false }
  }
  const size = sizeBytes === 8 ? Number(head.readBigUInt64LE(sizeAt)) : head.readUIntLE(sizeAt, sizeBytes)
  return { bytes, window: sizeBytes === 2 ? size + 256 : size, hasChecksum, isSkippable: false }
}

/**
 * Finds the blocks of zstd frames in any pieces. Each frame's header is read before anybody unpacks it: fzstd would set aside any window
 * it is asked for, up to 2 GB; and one who has had enough can stop behind every block. Node's own unpacking needs it too: it takes the
 * end of a frame for the end of all, unless the next one comes by itself.
 *
 * @param onBlock Takes one block, the first one of a frame behind its header, the last one with its checksum. It may call `stop`.
 */
export class ZstdFrames {
  readonly #onBlock: (bytes: Buffer, frame: FrameHead, isLast: boolean) => void
  #pieces: Buffer[] = []
  #bytes = 0
  #needed = 5
  #toSkip = 0
  #frame: FrameHead | null = null
  /** The header, for as long as no block has come. */
  #header: Buffer | null = null
  #over = false

  constructor(onBlock: (bytes: Buffer, frame: FrameHead, isLast: boolean) => void) {
    this.#onBlock = onBlock
  }

  stop(): void {
    this.#over = true
    this.#pieces = []
    this.#frame = this.#header = null
  }

  /** @returns `false` once there is something that cannot be read; all before it was handed on. */
  push(chunk: Buffer): boolean {
    if (this.#over) return true
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return true
    let rest = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces)
    try {
      for (let used = this.#step(rest); used > 0 && !this.#over; used = this.#step(rest)) rest = rest.subarray(used)
    } catch {
      this.stop()
      return false
    }
    if (this.#over) return true
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return true
  }

  /** @returns How many of these bytes were used; 0 = `#needed` of them must have come first. */
  #step(bytes: Buffer): number {
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, bytes.length)
      this.#toSkip -= skipped
      this.#needed = this.#toSkip > 0 ? 1 : 5
      return skipped
    }
    return this.#frame === null ? this.#begin(bytes) : this.#block(bytes, this.#frame)
  }

  #begin(bytes: Buffer): number {
    const head = frameHead(bytes)
    if (head === undefined || (head !== null && head.window > maxZstdWindow)) throw new RangeError('No frame that can be read.')
    if (head === null) {
      this.#needed = Math.max(5, bytes.length + 1)
      return 0
    }
    if (head.isSkippable) {
      this.#toSkip = head.bytes
      return this.#step(bytes)
    }
    this.#frame = head
    this.#header = bytes.subarray(0, head.bytes)
    this.#needed = 3
    return head.bytes
  }

  #block(bytes: Buffer, frame: FrameHead): number {
    this.#needed = 3
    if (bytes.length < 3) return 0
    const word = bytes.readUIntLE(0, 3)
    const isLast = (word & 1) === 1
    const isRepeated = ((word >>> 1) & 3) === 1
    const size = word >>> 3
    if (size > maxBlockBytes) throw new RangeError('No block that can be read.')
    const length = 3 + (isRepeated ? 1 : size) + (isLast && frame.hasChecksum ? 4 : 0)
    if (bytes.length < length) {
      this.#needed = length
      return 0
    }
    const block = bytes.subarray(0, length)
    const whole = this.#header === null ? block : Buffer.concat([this.#header, block])
    this.#header = null
    if (isLast) {
      this.#frame = null
      this.#needed = 5
    }
    this.#onBlock(whole, frame, isLast)
    return length
  }
}
