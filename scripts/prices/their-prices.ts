import type { Unit } from '../../core/prices/cost.js'

/** A price from a given size of input on. `usd` is a decimal string for `per` units. */
export interface Step {
  readonly from: number
  readonly usd: string
  readonly per: number
}

export type Rates = Partial<Record<Unit, readonly Step[]>>

/** One model as another public price package has it, put to our words. */
export interface TheirModel {
  /** Their own key, for the report. */
  readonly key: string
  /** What we are asked for to get the same thing priced. */
  readonly provider: string
  readonly model: string
  readonly serverAddress: string | null
  readonly rates: Rates
  /** `null` = they name no batch price. */
  readonly batch: Rates | null
}

export interface TheirPrices {
  readonly name: string
  readonly version: string
  readonly models: readonly TheirModel[]
}
