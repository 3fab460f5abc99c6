import type { PriceOverride } from '../../core/prices/override.js'
import type { TellCost } from './tell-cost.js'

/** What prices calls for their answers; the same for all calls of one configuration. Never rejects. */
export type Pricing = () => Promise<TellCost>

/**
 * Opens the prices when the first call asks for its cost: a proxy that is not asked holds none of them.
 *
 * @param overrides Prices of weir.yaml. A reloaded configuration opens a book of its own.
 * @param failed Told when they cannot be opened. Costs are then unknown.
 */
export const pricingOnDemand = (overrides: readonly PriceOverride[], failed: (cause: unknown) => void): Pricing => {
  let opened: Promise<TellCost> | null = null
  return () =>
    (opened ??= import('./tell-cost.js')
      .then(({ openTellCost }) => openTellCost(overrides))
      .catch((cause: unknown) => {
        failed(cause)
        return () => null
      }))
}
