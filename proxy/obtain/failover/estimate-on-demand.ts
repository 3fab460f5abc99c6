import type { PriceOverride } from '../../../core/prices/override.js'
import type { Estimate } from './estimate.js'

/** Estimates for calls that go to the cheapest; the same for all calls of one configuration. Never rejects. */
export type EstimateOnDemand = () => Promise<Estimate>

/**
 * Opens the prices when the first call asks for the cheapest target: a proxy without such calls holds none of them.
 *
 * @param overrides Prices of weir.yaml.
 * @param failed Told when they cannot be opened. No price is known then.
 */
export const estimateOnDemand = (overrides: readonly PriceOverride[], failed: (cause: unknown) => void): EstimateOnDemand => {
  let opened: Promise<Estimate> | null = null
  return () =>
    (opened ??= import('./estimate.js')
      .then(({ openEstimate }) => openEstimate(overrides))
      .catch((cause: unknown) => {
        failed(cause)
        opened = null
        return () => null
      }))
}
