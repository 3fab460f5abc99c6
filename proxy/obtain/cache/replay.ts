import type { AnswerFacts, AnswerReader } from '../../../core/providers/answer.js'
import type { Reply, ReplyBody, Sink } from '../../call.js'
import type { CacheEntry } from '../../state/cache-store.js'

/** No pause of the original is repeated longer than this. */
const longestGapMs = 200

/** An answer from the cache: what it says is known already. */
class KnownAnswer implements AnswerReader {
  terminal = false
  content = false
  readonly onBoundary = true
  #pushed = 0
  readonly #facts: AnswerFacts
  readonly #chunks: number
  readonly #contentAt: number

  constructor(facts: AnswerFacts, chunks: number, contentAt: number) {
    this.#facts = facts
    this.#chunks = chunks
    this.#contentAt = contentAt
  }

  push(): void {
    if (this.#contentAt >= 0 && this.#pushed >= this.#contentAt) this.content = true
    this.#pushed++
    if (this.#pushed >= this.#chunks) this.terminal = true
  }

  end(): undefined {
    this.terminal = true
    return undefined
  }

  facts(): AnswerFacts {
    return this.#facts
  }
}

/** All of it, in one piece. */
class InstantBody implements ReplyBody {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  attach(sink: Sink): void {
    if (this.#bytes.length > 0) sink.data(this.#bytes)
    sink.end()
  }
  pause(): void {
    // It has been handed over.
  }
  resume(): void {
    // It has been handed over.
  }
  destroy(): void {
    // Nothing is under way.
  }
}

/** Chunk by chunk, with the pauses of the original. */
class PacedBody implements ReplyBody {
  #sink: Sink | null = null
  #at = 0
  #offset = 0
  #timer: NodeJS.Timeout | null = null
  #paused = false
  readonly #entry: CacheEntry

  constructor(entry: CacheEntry) {
    this.#entry = entry
  }

  attach(sink: Sink): void {
    this.#sink = sink
    this.#next()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#timer === null) this.#next()
  }

  destroy(): void {
    this.#sink = null
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #next(): void {
    this.#timer = null
    const { body, chunkBytes, gapsMs } = this.#entry
    while (this.#sink !== null && !this.#paused) {
      if (this.#at >= chunkBytes.length) return this.#sink.end()
      const end = this.#offset + (chunkBytes[this.#at] as number)
      const chunk = body.subarray(this.#offset, end)
      this.#offset = end
      this.#at++
      this.#sink.data(chunk)
      const gapMs = Math.min(gapsMs[this.#at] ?? 0, longestGapMs)
      if (gapMs >= 1) {
        this.#timer = setTimeout(() => this.#next(), gapMs)
        return
      }
    }
  }
}

/** The answer of an entry, byte for byte, and what knows what it says. */
export const replay = (
  entry: CacheEntry,
  pace: 'instant' | 'paced',
): { readonly reply: Reply; readonly reader: AnswerReader } => {
  const { status, statusText, headers, facts, contentAt, chunkBytes, body } = entry
  const paced = pace === 'paced' && chunkBytes.length > 1
  return {
    reply: { status, statusText, headers, body: paced ? new PacedBody(entry) : new InstantBody(body) },
    reader: paced
      ? new KnownAnswer(facts, chunkBytes.length, contentAt)
      : new KnownAnswer(facts, 1, contentAt < 0 ? contentAt : 0),
  }
}
