import { WeirError } from '../../core/errors.js'
import type { Call } from '../call.js'

/** A call's place among those of its key. */
export interface Place {
  /** Once; the key has room for another. */
  leave(): void
}

/** Counts the calls of each Weir key that are under way, in this process. */
export interface KeyPlaces {
  /**
   * @param most Of one key; a tenant's keys count for themselves. `null` = as many as come.
   * @returns `null` for a call without a Weir key: it is not counted.
   * @throws WeirError `too_many_in_flight` when the key has no room.
   */
  take(call: Pick<Call, 'tenant' | 'weirKey' | 'identity'>, most: number | null): Place | null
}

class Crowd {
  count = 0
  readonly #gone: () => void

  constructor(gone: () => void) {
    this.#gone = gone
  }

  leave(): void {
    if (--this.count === 0) this.#gone()
  }
}

/** A place is what its key's calls share: nothing is made for one call but the first of its key. */
export const keyPlaces = (): KeyPlaces => {
  const byTenant = new Map<string, Map<string, Crowd>>()
  return {
    take: ({ tenant, weirKey, identity: { keyId } }, most) => {
      if (weirKey === null) return null
      let keys = byTenant.get(tenant)
      if (keys === undefined) byTenant.set(tenant, (keys = new Map()))
      const ofTenant = keys
      let crowd = ofTenant.get(keyId)
      if (crowd === undefined) {
        crowd = new Crowd(() => {
          ofTenant.delete(keyId)
          if (ofTenant.size === 0) byTenant.delete(tenant)
        })
        ofTenant.set(keyId, crowd)
      }
      if (most !== null && crowd.count >= most)
        throw new WeirError(
          'too_many_in_flight',
          `${crowd.count} calls of this Weir key are under way; at most ${most} may be at once (ceilings.inFlightPerKey in weir.yaml).`,
          { retryAfterS: 1 },
        )
      crowd.count++
      return crowd
    },
  }
}
