import { defaultTenant, type TenantId } from '../../core/tenant.js'

/** Where a caller's calls may go; `null` = anywhere. Models may hold *. */
export interface Allowed {
  readonly providers: readonly string[] | null
  readonly models: readonly string[] | null
}

/** Who calls, as far as this house knows. */
export interface Caller {
  readonly tenant: TenantId
  /** Stands on rows and in limits: the name of a listed key, the fingerprint of any other; empty = none came. */
  readonly keyId: string
  /** Provider keys of weir.yaml may serve it. */
  readonly trusted: boolean
  /** `null` = everything. */
  readonly allowed: Allowed | null
}

/** What a call brought to say who it is. */
export interface Presented {
  readonly weirKey: string | null
  /** What stood where a provider's key goes. */
  readonly clientKey: string | null
}

/** @throws WeirError `auth_missing`, `auth_invalid`. */
export type FindCaller = (presented: Presented) => Caller

/** @param fingerprint Of a key, which is written nowhere. */
export const callerBy =
  (fingerprint: (key: string) => string): FindCaller =>
  ({ weirKey, clientKey }) => ({
    tenant: defaultTenant,
    keyId: weirKey !== null ? `weir-${fingerprint(weirKey)}` : clientKey !== null ? fingerprint(clientKey) : '',
    trusted: true,
    allowed: null,
  })
