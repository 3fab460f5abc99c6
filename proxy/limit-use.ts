/** Why a limit was not enforced; it stands in the answer (`RateLimit-Error`). */
export type LimitFault = 'invalid_policy' | 'segment_missing' | 'store_unavailable'

/** A policy that was checked, as the answer tells it. */
export interface CheckedPolicy {
  /** Canonical form. */
  readonly text: string
  readonly name: string | null
  readonly unit: string
  /** Whole units; rounded down. */
  readonly limit: number
  readonly remaining: number
  /** Seconds; rounded up. */
  readonly windowS: number
  readonly resetS: number
}

/** What the limits did about a call. */
export interface LimitUse {
  readonly fault: LimitFault | null
  /** In the order they were checked: those of the operator, then the caller's. */
  readonly checked: readonly CheckedPolicy[]
  /** The one of `checked` that leaves least, or refused; `null` = nothing was checked. */
  readonly tightest: CheckedPolicy | null
}
