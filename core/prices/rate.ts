import type { Unit } from './cost.js'
import { decimalOf, type Decimal } from './money.js'
import type { Hours } from './hours.js'

export type Origin = 'override' | 'overlay' | 'base'

/** A price of one unit, with all that decides whether it holds. */
export interface Rate {
  readonly unit: Unit
  readonly usdText: string
  readonly usd: Decimal
  readonly per: number
  /** First input count it holds for. */
  readonly ctxFrom: number
  readonly origin: Origin
  /** `null` = standard. */
  readonly tier: string | null
  /** `null` = every region. */
  readonly region: string | null
  /** Size and quality of a picture, or of a search; `null` = whatever no other entry names. */
  readonly variant: string | null
  /** Milliseconds; inclusive, -Infinity = since ever. */
  readonly from: number
  /** Exclusive, Infinity = until further notice. */
  readonly until: number
  readonly hours: Hours | null
  /** Closeness of the name it stands under to the one that was asked for: 0 = that very name. */
  readonly rank: number
  /** Among equals the larger one counts: the place in weir.yaml, else `from`. */
  readonly order: number
}

type Given = Pick<Rate, 'unit' | 'usdText' | 'per' | 'origin'> & Partial<Rate>

const nothing: Decimal = { digits: 0n, scale: 0 }

/** @param given Absent: holds always, everywhere, for every size. */
export const rateOf = (given: Given): Rate => {
  const from = given.from ?? -Infinity
  return {
    usd: decimalOf(given.usdText) ?? nothing,
    ctxFrom: 0,
    tier: null,
    region: null,
    variant: null,
    until: Infinity,
    hours: null,
    rank: 0,
    ...given,
    from,
    order: given.order ?? from,
  }
}
