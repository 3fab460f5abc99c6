import { readCache, type CacheAsked } from './cache.js'
import type { OwnValues } from './own-values.js'

/** What headers ask of the way a call takes. A part that is `null` was not asked for, and costs nothing. */
export interface Steering {
  readonly cache: CacheAsked | null
}

export const noSteering: Steering = { cache: null }

/**
 * Each part is read by a file of its own.
 *
 * @param cacheControl Of the request itself; `null` = it has none.
 */
export const readSteering = (own: OwnValues, cacheControl: string | null): Steering => {
  const cache = readCache(own, cacheControl)
  return cache === null ? noSteering : { cache }
}
