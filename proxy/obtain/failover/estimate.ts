import { openPriceBook } from '../../../core/prices/book.js'
import type { PriceOverride } from '../../../core/prices/override.js'
import { price } from '../../../core/prices/price.js'
import type { Asked } from '../../../core/providers/read-request.js'
import { noUsage } from '../../../core/usage.js'
import type { Call, Target } from '../../call.js'

/** What a call may cost at a target. */
export interface Estimating {
  readonly call: Call
  readonly target: Target
  readonly asked: Asked | null
  readonly inputTokens: number
  readonly outputTokens: number
  /** When prices are asked for. */
  readonly at: Date
}

/** @returns USD, good enough to tell the dearer from the cheaper; `null` = no price is known. */
export type Estimate = (estimating: Estimating) => number | null

/**
 * Estimates by the function that prices rows.
 *
 * @param overrides Prices of weir.yaml.
 */
export const openEstimate = (overrides: readonly PriceOverride[]): Estimate => {
  const book = openPriceBook(overrides)
  return ({ call, target, asked, inputTokens, outputTokens, at }) => {
    const { totalUsd } = price(
      { ...noUsage('not_on_wire'), inputTokens, outputTokens, usageSource: 'estimated' },
      {
        provider: target.provider.name,
        api: target.route.api,
        endpoint: call.endpoint,
        outcome: 'complete',
        status: 200,
        requestModel: asked?.model ?? null,
        responseModel: null,
        serverAddress: target.origin.slice(target.origin.indexOf('//') + 2),
        asked: asked?.priceFacts ?? {},
        attempt: 1,
      },
      at,
      book,
    )
    return totalUsd === null ? null : Number(totalUsd)
  }
}
