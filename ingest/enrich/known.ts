import type { Usage } from '../../core/usage.js'
import type { Counts } from '../tokens/count-call.js'

/** What was charged for a response before a read told its usage again. */
export interface Charged {
  /** Decimal: the sum, if several rows were charged. */
  readonly usd: string
  /** `wire`: all of it, by what the provider told. `estimated`: by our count of an answer that was cut; the read tells the rest. */
  readonly source: 'wire' | 'estimated'
}

/** What a row holds and its event alone does not tell: asked for before, so that `enrich` stays pure. */
export interface Known {
  /** As `readUsage` gave it, where it was read already; `null` = not yet. */
  readonly usage: Usage | null
  /** `null`: nothing had to be counted, or the tokenizer failed. */
  readonly counts: Counts | null
  readonly charged: Charged | null
}

export const nothingKnown: Known = { usage: null, counts: null, charged: null }
