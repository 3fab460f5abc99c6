import type { AnswerReader } from '../core/providers/answer.js'

/** An answer that is not this call's own. */
export interface Replayed {
  /** Id of the call it was made for. */
  readonly id: string
  readonly slot: number
  /** How long ago that call ended; 0 while it is under way. */
  readonly ageMs: number
  /** What that call took from its arrival to its last byte; `null` = it is under way. */
  readonly totalMs: number | null
  /** What that call cost; `null` = not known. */
  readonly costUsd: string | null
  /** Knows what the answer says: nobody reads it again. */
  readonly reader: AnswerReader
}

/** What the cache did for a call that asked to read from it. */
export type CacheUse =
  { readonly status: 'hit'; readonly replayed: Replayed } | { readonly status: 'miss' | 'bypass'; readonly replayed: null }

export const missed: CacheUse = { status: 'miss', replayed: null }
export const bypassed: CacheUse = { status: 'bypass', replayed: null }

/** How an answer begins, for those who get a copy of it. */
export interface TappedHead {
  readonly status: number
  readonly statusText: string
  /** Flat pairs, as relayed; ours are put behind them later. */
  readonly headers: readonly string[]
  readonly reader: AnswerReader
}

/**
 * Gets a copy of an answer as it is relayed: `begin`, `data` for each chunk, then `complete` or `fail`, once. Chunks are kept by
 * reference.
 */
export interface Tap {
  /** Others wait for this answer: it is read to its end, even when its own caller has left. */
  readonly awaited: boolean
  /** Called when nobody waits any more. */
  deserted: (() => void) | null
  begin(head: TappedHead): void
  data(chunk: Buffer): void
  /** @param whole False when the upstream said that it is done, and what came is not what can be kept. */
  complete(whole: boolean): void
  fail(cause: Error): void
}
