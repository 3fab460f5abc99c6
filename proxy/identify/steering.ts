import { readCache, type CacheAsked } from './cache.js'
import { readDisconnect, type Disconnect } from './disconnect.js'
import { readFailover, type FailoverAsked } from './failover.js'
import type { OwnValues } from './own-values.js'
import { readRateLimit, type RateLimitAsked } from './rate-limit-policy.js'

/** What headers ask of the way a call takes. A part that is `null` was not asked for, and costs nothing. */
export interface Steering {
  readonly cache: CacheAsked | null
  /** Retries, other targets, times of its own. */
  readonly failover: FailoverAsked | null
  /** Policies the call brings along. */
  readonly rateLimit: RateLimitAsked | null
  readonly disconnect: Disconnect | null
}

export const noSteering: Steering = { cache: null, failover: null, rateLimit: null, disconnect: null }

/**
 * Each part is read by a file of its own.
 *
 * @param cacheControl Of the request itself; `null` = it has none.
 */
export const readSteering = (own: OwnValues, cacheControl: string | null): Steering => {
  const cache = readCache(own, cacheControl)
  const failover = readFailover(own)
  const rateLimit = readRateLimit(own)
  const disconnect = readDisconnect(own)
  return cache === null && failover === null && rateLimit === null && disconnect === null
    ? noSteering
    : { cache, failover, rateLimit, disconnect }
}
