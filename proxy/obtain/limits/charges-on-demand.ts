import type { PriceOverride } from '../../../core/prices/override.js'
import type { Charges } from './charge.js'

/** What charges calls for limits of tokens and cents; the same for all calls of one configuration. */
export type ChargesOnDemand = () => Promise<Charges>

/** Opens the prices when the first call is limited by what it uses: a proxy that counts requests alone holds none of them. */
export const chargesOnDemand = (overrides: readonly PriceOverride[]): ChargesOnDemand => {
  let opened: Promise<Charges> | null = null
  return () => (opened ??= import('./charge.js').then(({ openCharges }) => openCharges(overrides)))
}
