/** What a quantity is counted and priced in (cost.md §1). Token units are disjoint: `input` is what no other input unit covers. */
export const units = [
  'input',
  'cache_read',
  'cache_write',
  'cache_write_1h',
  'output',
  'reasoning',
  'input_audio',
  'cache_read_audio',
  'output_audio',
  'input_image',
  'cache_read_image',
  'output_image',
  'image',
  'audio_second',
  'character',
  'page',
  'request',
  'web_search',
  'file_search',
  'x_search',
  'container',
] as const

export type Unit = (typeof units)[number]

/** `quantity x unitPriceUsd x multiplier / per`, rounded half-even to 10^-12 USD once. Decimal strings are exact. */
export interface CostLine {
  readonly unit: Unit
  readonly model: string
  /** Position in `attempts`, from 1; 0 = the call has no list of attempts. */
  readonly attempt: number
  /** Position in `usage.parts`; `null` = the call is one part. */
  readonly part: number | null
  readonly quantity: number
  readonly unitPriceUsd: string
  readonly per: number
  readonly multiplier: string
  /** `null` = no price is known for this quantity. */
  readonly amountUsd: string | null
  readonly from: 'override' | 'overlay' | 'base' | 'none'
}

export type CostStatus = 'exact' | 'estimated' | 'partial' | 'unpriced' | 'not_billable' | 'provider'

/** What a call cost. Amounts are decimal USD strings with up to 12 places; unknown is `null`, never 0. */
export interface Cost {
  readonly lines: readonly CostLine[]
  readonly inputUsd: string | null
  readonly outputUsd: string | null
  /** Fees: searches, requests, pages, images. */
  readonly otherUsd: string | null
  /** Sum of our lines, also where the provider's own figure is the total. */
  readonly ownUsd: string | null
  readonly providerUsd: string | null
  readonly totalUsd: string | null
  readonly savedUsd: string | null
  readonly status: CostStatus
  /** `unknown_model`, `no_tier_price`, `cut` ...: explains every status but `exact`. */
  readonly reason: string | null
  readonly priceId: string
}
