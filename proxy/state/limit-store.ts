import type { TenantId } from '../../core/tenant.js'

/** One token bucket: full at first, refilled by its quota per window, never fuller than the quota. */
export interface LimitBucket {
  /** What callers choose and what operators set never share a bucket. */
  readonly owner: 'operator' | 'caller'
  /** Unit, window, segment and its value. At most 200 characters. */
  readonly key: string
  /** Millionths of the unit; whole, under 2^50. The same bucket under another quota keeps its level, clamped. */
  readonly quotaMicro: number
  readonly windowMs: number
}

export interface LimitCheck extends LimitBucket {
  /** 0 to the quota. */
  readonly costMicro: number
}

export interface LimitSettlement extends LimitBucket {
  /** More than was taken: negative. Less: positive. */
  readonly changeMicro: number
}

export interface LimitState {
  /** After the call took its part, or as it is where nothing was taken. Rounded down; negative = owed. */
  readonly levelMicro: number
  /** Until its cost fits; 0 = it did. */
  readonly waitMs: number
  /** Until it is full again. */
  readonly fullMs: number
}

export interface Taken {
  /** False: one of them did not fit, and nothing was taken from any. */
  readonly taken: boolean
  /** In the order of the checks. */
  readonly states: readonly LimitState[]
}

/** Where the levels of limits are kept. */
export interface LimitStore {
  /**
   * Takes from all buckets, or from none, in one step that nothing comes between.
   *
   * @param checks Each of another bucket.
   * @throws StoreDown. Nothing was taken then; what turns out to have been is given back.
   */
  take(tenant: TenantId, checks: readonly LimitCheck[]): Promise<Taken>
  /**
   * Corrects what was taken, down to a debt of one quota.
   *
   * @throws StoreDown. The estimate then stands.
   */
  settle(tenant: TenantId, settlements: readonly LimitSettlement[]): Promise<void>
  close(): Promise<void>
}

/** The store did not answer in time, or is known not to. */
export class StoreDown extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreDown'
  }
}
