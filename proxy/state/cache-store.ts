import type { AnswerFacts } from '../../core/providers/answer.js'
import type { TenantId } from '../../core/tenant.js'

/** A whole answer as it was delivered, and what was learned from it. Nothing of the request is in it. */
export interface CacheEntry {
  /** Id of the call that it was delivered to. */
  readonly id: string
  /** Position among the targets of the call: which of them answered. */
  readonly target: number
  /** Milliseconds since the epoch. */
  readonly savedAt: number
  readonly expiresAt: number
  readonly status: number
  readonly statusText: string
  /** Flat pairs (latin1), without what holds for one call alone. */
  readonly headers: readonly string[]
  /** All chunks, one behind the other, in the content coding of the answer. */
  readonly body: Buffer
  /** How long each chunk is. */
  readonly chunkBytes: readonly number[]
  /** How long each chunk was waited for after the one before it; the first: 0. Milliseconds. */
  readonly gapsMs: readonly number[]
  /** From the arrival of the call to its last byte. */
  readonly totalMs: number
  /** Which chunk brought the first content; -1 = none did. */
  readonly contentAt: number
  readonly facts: AnswerFacts
}

/** What an entry has beside what is counted: its object, its place in a list, the rest of a block on disk. */
const besidesBytes = 2048

/** Bytes an entry takes, in memory or on disk. */
export const entryBytes = ({ body, chunkBytes, headers, facts }: CacheEntry): number =>
  besidesBytes +
  body.length +
  chunkBytes.length * 16 +
  headers.reduce((sum, text) => sum + text.length, 0) +
  facts.usageRaw.reduce((sum, { json }) => sum + json.length, 0)

/** An entry and the slot it was found in. */
export interface Found {
  readonly entry: CacheEntry
  readonly slot: number
}

export interface Wanted {
  /** How many answers one key may have, 1 to 20. */
  readonly slots: number
  /** Older ones do not count. */
  readonly maxAgeMs: number
}

/**
 * Where answers are kept between calls. Whatever goes wrong inside is a rejection, which callers take for a miss; an entry that cannot
 * be read back whole is none.
 */
export interface CacheStore {
  /** Draws one of the first `slots` answers, each as likely as the others, once all of them are there; else `null`. */
  find(tenant: TenantId, key: string, wanted: Wanted): Promise<Found | null>
  /** Fills the first free one of `slots`; if none is free, the oldest gives way. */
  save(tenant: TenantId, key: string, slots: number, entry: CacheEntry): Promise<void>
  /** Forgets every answer of a tenant, on disk, too. @returns How many. @throws StoreDown where they are elsewhere and cannot be reached. */
  purge(tenant: TenantId): Promise<number>
  /** Bytes of all tenants that are kept in this process; `null` = they are elsewhere. */
  bytes(): number | null
  /** Resolves once everything that was saved will be found after a restart, or cannot be. */
  close(): Promise<void>
}
