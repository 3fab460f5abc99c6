import type { CostLine, Unit } from './cost.js'
import { addAmounts, usdOfAmount, type Amount } from './money.js'
import { tokenUnits, type Priced, type UnitPrice } from './sheet.js'

/** Where a line belongs. */
export interface Place {
  readonly attempt: number
  readonly part: number | null
  /** The tier that was asked for or told; `null` = standard. */
  readonly tier: string | null
  /** Size and quality of what is priced by them. */
  readonly variant: string | null
}

const firstOutput: ReadonlySet<Unit> = new Set<Unit>(['output', 'reasoning', 'output_audio', 'output_image'])

/** What a service tier makes cheaper or dearer: what the model does, not what its tools cost. */
const ofTheModel: ReadonlySet<Unit> = new Set<Unit>([...tokenUnits, 'image', 'audio_second', 'character', 'page'])

/** The largest amount a row can hold, in pico-USD. More is no price of a call but a broken count, and would make the store refuse the batch. */
export const mostPico = 999_999n * 10n ** 12n

/** Adds a reason that is not there yet. */
export const note = (reasons: string[], reason: string): void => {
  if (!reasons.includes(reason)) reasons.push(reason)
}

/** The lines of one call, with their sums and what is unsure about them. */
export class Bill {
  readonly lines: CostLine[] = []
  input: Amount = 0
  output: Amount = 0
  other: Amount = 0
  /** Lines that have an amount. */
  priced = 0
  /** Amounts of attempts before the one that was answered. */
  earlier: Amount = 0
  /** Why the sum is not exact, each reason once. */
  readonly estimated: string[] = []
  /** Why the sum is a lower bound. */
  readonly partial: string[] = []

  get total(): Amount {
    return addAmounts(addAmounts(this.input, this.output), this.other)
  }

  get isTooLarge(): boolean {
    const { total } = this
    return typeof total === 'bigint' && total > mostPico
  }

  /** Adds a line for a quantity over 0, with or without a price. */
  add(unit: Unit, quantity: number, priced: Priced, place: Place): void {
    if (quantity <= 0) return
    const price = priced.price(unit, place.variant)
    if (price === null) {
      note(this.partial, `no_price_${unit}`)
      this.lines.push({
        unit,
        model: priced.modelId,
        attempt: place.attempt,
        part: place.part,
        quantity,
        unitPriceUsd: '0',
        per: 1,
        multiplier: '1',
        amountUsd: null,
        from: 'none',
      })
      return
    }
    const amount = price.amount(quantity)
    this.doubt(unit, price, priced, place)
    this.priced++
    if (!tokenUnits.has(unit)) this.other = addAmounts(this.other, amount)
    else if (firstOutput.has(unit)) this.output = addAmounts(this.output, amount)
    else this.input = addAmounts(this.input, amount)
    this.lines.push({
      unit,
      model: priced.modelId,
      attempt: place.attempt,
      part: place.part,
      quantity,
      unitPriceUsd: price.rate.usdText,
      per: price.rate.per,
      multiplier: price.multiplier,
      amountUsd: usdOfAmount(amount),
      from: price.rate.origin,
    })
  }

  private doubt(unit: Unit, price: UnitPrice, priced: Priced, { tier }: Place): void {
    if (priced.assumed) note(this.estimated, 'assumed_price')
    if (unit === 'cache_write_1h' && price.pricedAs !== unit) note(this.estimated, 'no_1h_price')
    if (tier !== null && !price.ofTier && ofTheModel.has(unit)) note(this.estimated, 'no_tier_price')
  }
}
