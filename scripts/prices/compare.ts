import type { PriceBook } from '../../core/prices/book.js'
import { picoOf, usdOf, type Pico } from '../../core/prices/money.js'
import { price, type CallFacts } from '../../core/prices/price.js'
import { quantitiesOf, theirPico, usageNames, usageOf, type UsageName } from './usages.js'
import type { TheirModel, TheirPrices } from './their-prices.js'

/** One use of one model that two books price more than 1 % apart. */
export interface Disagreement {
  readonly package: string
  readonly key: string
  readonly provider: string
  readonly model: string
  readonly usage: UsageName
  /** Decimal USD; `null` = we have no price for a part of it. */
  readonly ours: string | null
  readonly theirs: string
}

export interface Comparison {
  readonly disagreements: readonly Disagreement[]
  /** Uses that were priced by both. */
  readonly compared: number
  /** Models of theirs that we have no price for, by provider. */
  readonly unknown: ReadonlyMap<string, readonly string[]>
}

const apart = (ours: Pico, theirs: Pico): boolean => {
  const difference = ours > theirs ? ours - theirs : theirs - ours
  return difference * 100n > theirs
}

const factsOf = ({ provider, model, serverAddress }: TheirModel): CallFacts => ({
  provider,
  api: 'chat',
  endpoint: 'POST /v1/chat/completions',
  outcome: 'complete',
  status: 200,
  requestModel: model,
  responseModel: null,
  serverAddress,
  asked: {},
  attempt: 1,
})

/** Prices the five uses of every model that both know, at `at`, and keeps what is more than 1 % apart. */
export const compare = ({ name, models }: TheirPrices, book: PriceBook, at: Date): Comparison => {
  const disagreements: Disagreement[] = []
  const unknown = new Map<string, string[]>()
  let compared = 0
  for (const model of models) {
    let known = false
    for (const usage of usageNames) {
      const rates = usage === 'batch' ? model.batch : model.rates
      const quantities = rates === null ? null : quantitiesOf(usage, rates)
      if (rates === null || quantities === null) continue
      const theirs = theirPico(quantities, rates)
      const cost = price(usageOf(quantities, usage === 'batch' ? 'batch' : null), factsOf(model), at, book)
      if (cost.status === 'unpriced') continue
      known = true
      compared += 1
      // A fee for the request stands beside the tokens; they keep it elsewhere.
      const fee = cost.lines.find(({ unit }) => unit === 'request')?.amountUsd ?? '0'
      const ours = cost.status === 'partial' ? null : (picoOf(cost.ownUsd ?? '') ?? 0n) - (picoOf(fee) ?? 0n)
      if (ours !== null && !apart(ours, theirs)) continue
      const { key, provider } = model
      disagreements.push({
        package: name,
        key,
        provider,
        model: model.model,
        usage,
        ours: ours === null ? null : usdOf(ours),
        theirs: usdOf(theirs),
      })
    }
    if (!known) unknown.set(model.provider, [...(unknown.get(model.provider) ?? []), model.model])
  }
  return { disagreements, compared, unknown }
}
