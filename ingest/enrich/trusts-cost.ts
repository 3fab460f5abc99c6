import type { Config } from '../../core/config.js'
import { builtInProviders, providersFrom } from '../../core/providers/registry.js'

/** Is what the provider tells of its own cost the cost? (cost.md §4) */
export type TrustsCost = (provider: string) => boolean

/** As configured: `providers.<name>.trustCost`, else where it is known to be right. */
export const trustsCostBy = (config: Pick<Config, 'providers'>): TrustsCost => {
  const providers = providersFrom(config)
  return (provider) => providers.get(provider)?.trustCost ?? false
}

/** Where nothing is configured. */
export const trustsCostByDefault: TrustsCost = (provider) => builtInProviders.get(provider)?.trustCost ?? false
