import { latin1 } from '../json-text.js'

/** An event that arrives in so many pieces is copied together: a piece of one byte costs a hundred to keep. */
const maxPieces = 16

/** The bytes of an event whose end has not come. A few pieces are kept by reference, many are copied into one that grows. */
export class HeldBytes {
  #pieces: Buffer[] = []
  #bytes = 0
  /** The beginning, copied: the first `#filled` bytes are in use. */
  #copied: Buffer | null = null
  #filled = 0

  get bytes(): number {
    return this.#bytes
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length
    this.#pieces.push(piece)
    if (this.#pieces.length > maxPieces) this.#copy()
  }

  clear(): void {
    if (this.#bytes === 0) return
    this.#pieces = []
    this.#bytes = this.#filled = 0
    this.#copied = null
  }

  /** The text (latin1) of all that is held and of `tail` behind it. Nothing is held afterwards. */
  take(tail: Buffer): string {
    if (this.#bytes === 0) return latin1(tail)
    const begun = this.#copied === null ? [] : [this.#copied.subarray(0, this.#filled)]
    const text = latin1(Buffer.concat([...begun, ...this.#pieces, tail]))
    this.clear()
    return text
  }

  #copy(): void {
    if (this.#copied === null || this.#copied.length < this.#bytes) {
      const grown = Buffer.allocUnsafeSlow(Math.max(4096, this.#bytes * 2))
      this.#copied?.copy(grown, 0, 0, this.#filled)
      this.#copied = grown
    }
    for (const piece of this.#pieces) {
      piece.copy(this.#copied, this.#filled)
      this.#filled += piece.length
    }
    this.#pieces = []
  }
}
