import { createHash, hash as hashOnce, type Hash } from 'node:crypto'
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import type { BodyPieces } from '../core/exchange.js'

const blockBytes = 4096
const smallBytes = 1024

/** One call into OpenSSL costs less than a hash object, even with a copy of up to 64 KiB. */
const digestOf = (pieces: readonly Uint8Array[], length: number): string => {
  if (pieces.length === 1) return hashOnce('sha256', pieces[0] as Uint8Array, 'hex')
  if (length <= 65_536) return hashOnce('sha256', Buffer.concat(pieces, length), 'hex')
  const running = createHash('sha256')
  for (const piece of pieces) running.update(piece)
  return running.digest('hex')
}

/** `null` where its folder cannot be made. */
const spillTo = (path: string): WriteStream | null => {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  } catch {
    return null
  }
  return createWriteStream(path, { mode: 0o600 })
}

/** What all copies of a process hold together. */
export interface CopyPool {
  held: number
  limitBytes: number
  /** Copies that were cut because there was no room for more of them. */
  cut: number
}

/**
 * The stored copy of a body on its way past: the first 3/4 and the last 1/4 of `limit`, its length and SHA-256.
 * Chunks are kept by reference; those under 1 KiB are copied into blocks, because a kept chunk costs some 220 bytes beside its own.
 */
export class BodyCopy {
  /** Bytes seen. */
  length = 0
  #head: Uint8Array[] = []
  #headLength = 0
  #tail: Uint8Array[] = []
  #tailLength = 0
  #block: Buffer | null = null
  #blockStart = 0
  #blockUsed = 0
  #hash: Hash | null = null
  #spill: WriteStream | null = null
  readonly #keep: boolean
  readonly #limit: number
  /** Of a body over `limit`. */
  #headLimit: number
  #tailLimit: number
  readonly #pool: CopyPool | null
  /** What the pool knows of. */
  #pooled = 0
  readonly #spillPath: (() => string) | null
  #digest: string | null = null
  /** The pool was full: it grows no more. */
  #isFixed = false

  /**
   * @param keep False: only length and hash (the caller asked to omit the body, or bodies are not stored).
   * @param limit Bytes kept, as 3/4 head and 1/4 tail.
   * @param spillPath Names the file that takes the whole body once it outgrows `limit`; `null` = none.
   * @param pool Counts what is kept until `release`; when it is full, no more is kept, and the copy is cut.
   */
  constructor(keep: boolean, limit: number, spillPath: (() => string) | null, pool: CopyPool | null = null) {
    this.#keep = keep
    this.#limit = limit
    this.#headLimit = Math.floor((limit * 3) / 4)
    this.#tailLimit = limit - this.#headLimit
    this.#pool = pool
    this.#spillPath = keep ? spillPath : null
  }

  /** Whether the whole body is in its file. */
  get spilled(): boolean {
    return this.#spill !== null
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.length += chunk.length
    if (!this.#keep) return
    const pool = this.#pool
    if (pool !== null && this.#limit > 0 && pool.held + chunk.length > pool.limitBytes) this.#stopGrowing(pool)
    if (this.#hash === null) {
      if (this.length <= this.#limit) {
        this.#keepWhole(chunk)
        return this.#count()
      }
      this.#overflow()
    }
    ;(this.#hash as Hash | null)?.update(chunk)
    this.#spill?.write(chunk)
    this.#pushTail(chunk)
    this.#count()
  }

  /** What is kept by now stays; of what follows only length and hash. */
  #stopGrowing(pool: CopyPool): void {
    if (this.#isFixed) return
    this.#isFixed = true
    pool.cut++
    if (this.#hash === null) {
      this.#headLimit = this.#headLength
      this.#tailLimit = 0
      this.#overflow()
    } else {
      this.#headLimit = Math.min(this.#headLimit, this.#headLength)
      this.#tailLimit = this.#tailLength
    }
  }

  #count(): void {
    if (this.#pool === null) return
    const kept = this.#headLength + this.#tailLength
    this.#pool.held += kept - this.#pooled
    this.#pooled = kept
  }

  /** Nobody needs the kept bytes any more. */
  release(): void {
    if (this.#pool === null || this.#pooled === 0) return
    this.#pool.held -= this.#pooled
    this.#pooled = 0
  }

  #keepWhole(chunk: Uint8Array): void {
    // The first chunk is often the only one: it is not worth a block.
    if (chunk.length >= smallBytes || this.#headLength === 0) {
      this.#closeBlock()
      this.#head.push(chunk)
    } else {
      if (this.#block === null || this.#blockUsed + chunk.length > blockBytes) {
        this.#closeBlock()
        this.#block = Buffer.allocUnsafeSlow(blockBytes)
        this.#blockStart = 0
        this.#blockUsed = 0
      }
      this.#block.set(chunk, this.#blockUsed)
      this.#blockUsed += chunk.length
    }
    this.#headLength += chunk.length
  }

  #closeBlock(): void {
    if (this.#block !== null && this.#blockUsed > this.#blockStart)
      this.#head.push(this.#block.subarray(this.#blockStart, this.#blockUsed))
    this.#blockStart = this.#blockUsed
  }

  /** The body outgrew the limit: from here on the hash runs along, and only head and tail stay. */
  #overflow(): void {
    this.#closeBlock()
    this.#hash = createHash('sha256')
    if (this.#spillPath !== null) {
      this.#spill = spillTo(this.#spillPath())
      // A spill file that cannot be written must not end the call; the row keeps length and hash.
      this.#spill?.on('error', () => {
        this.#spill = null
      })
    }
    const all = this.#head
    this.#head = []
    this.#headLength = 0
    const headLimit = this.#headLimit
    for (const piece of all) {
      this.#hash.update(piece)
      this.#spill?.write(piece)
      const room = headLimit - this.#headLength
      if (room <= 0) this.#pushTail(piece)
      else {
        const part = piece.subarray(0, room)
        this.#head.push(part)
        this.#headLength += part.length
        if (piece.length > room) this.#pushTail(piece.subarray(room))
      }
    }
  }

  #pushTail(chunk: Uint8Array): void {
    const headRoom = this.#headLimit - this.#headLength
    let rest = chunk
    if (headRoom > 0) {
      this.#head.push(chunk.subarray(0, headRoom))
      this.#headLength += Math.min(headRoom, chunk.length)
      rest = chunk.subarray(headRoom)
      if (rest.length === 0) return
    }
    const tailLimit = this.#tailLimit
    if (tailLimit === 0) return
    if (rest.length > tailLimit) rest = rest.subarray(rest.length - tailLimit)
    this.#tail.push(rest)
    this.#tailLength += rest.length
    while (this.#tailLength > tailLimit) {
      const first = this.#tail[0] as Uint8Array
      const surplus = this.#tailLength - tailLimit
      if (first.length <= surplus) {
        this.#tail.shift()
        this.#tailLength -= first.length
      } else {
        this.#tail[0] = first.subarray(surplus)
        this.#tailLength -= surplus
      }
    }
  }

  /** Hex SHA-256 of everything pushed; `null` when the body is omitted. */
  sha256(): string | null {
    if (!this.#keep) return null
    if (this.#digest === null) {
      if (this.#hash === null) {
        this.#closeBlock()
        this.#digest = digestOf(this.#head, this.#headLength)
      } else this.#digest = this.#hash.digest('hex')
      this.#spill?.end()
    }
    return this.#digest
  }

  /** The kept bytes; `null` when there are none or they are omitted. Call it once the body has ended. */
  pieces(encoding: string | null): BodyPieces | null {
    if (!this.#keep || this.length === 0 || this.#limit === 0) return null
    this.#closeBlock()
    const truncated = this.#headLength + this.#tailLength < this.length
    return { pieces: [...this.#head, ...this.#tail], length: this.#headLength + this.#tailLength, encoding, truncated }
  }
}
