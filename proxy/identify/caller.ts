import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { defaultTenant, type TenantId } from '../../core/tenant.js'
import type { KeyAllows, KeyHolder, WeirKeyring } from '../../core/weir-keys.js'

export type Allowed = KeyAllows

/** Who calls, as far as this house knows. */
export interface Caller {
  readonly tenant: TenantId
  /** Stands on rows and in limits: the name of a listed key, the fingerprint of any other; empty = none came. */
  readonly keyId: string
  /** Provider keys of weir.yaml may serve it. */
  readonly trusted: boolean
  /** `null` = everything. */
  readonly allowed: Allowed | null
  /** `auth_missing` or `auth_invalid`: why it may not call; `null` = it may. */
  readonly refused: WeirError | null
}

/** What a call brought to say who it is. */
export interface Presented {
  readonly weirKey: string | null
  /** What stood where a provider's key goes. */
  readonly clientKey: string | null
}

export type FindCaller = (presented: Presented) => Caller

interface Callers {
  readonly config: Pick<Config, 'auth'>
  readonly keys: WeirKeyring
  /** Of a key, which is written nowhere. */
  readonly fingerprint: (key: string) => string
}

const howToSend = 'Send it as "Weir-Auth: Bearer <key>", or where the key of the provider goes.'

const missing = (): WeirError =>
  new WeirError(
    'auth_missing',
    `No Weir key came with the call, and none goes without (auth: required). ${howToSend} \`weir key new NAME\` makes one.`,
    { param: 'Weir-Auth' },
  )
const invalid = (what: string): WeirError => new WeirError('auth_invalid', `${what} ${howToSend}`, { param: 'Weir-Auth' })

/**
 * Tells who calls by the keys that came. A key that weir.yaml lists binds its holder under `auth: open`, too: its calls are those of its
 * tenant, go where it may go, and are refused when it has expired or is not for calls.
 */
export const callerBy = ({ config: { auth }, keys, fingerprint }: Callers): FindCaller => {
  const isOpen = auth === 'open'
  const holders = new Map<KeyHolder, Caller>()
  const callerOf = (holder: KeyHolder): Caller => {
    let known = holders.get(holder)
    if (known === undefined) {
      const { name, tenant, allow, scopes } = holder
      if (!scopes.has('proxy'))
        return refusedHolder(holder, `The Weir key "${name}" is not for calls: it lacks the scope proxy. Use one that has it.`)
      known = { tenant, keyId: name, trusted: true, allowed: allow, refused: null }
      holders.set(holder, known)
    }
    return known
  }
  const refusedHolder = ({ tenant, name }: KeyHolder, what: string): Caller => ({
    tenant,
    keyId: name,
    trusted: false,
    allowed: null,
    refused: invalid(what),
  })
  const nobodyListed = (keyId: string, refused: WeirError | null): Caller => ({
    tenant: defaultTenant,
    keyId,
    trusted: refused === null,
    allowed: null,
    refused,
  })
  return ({ weirKey, clientKey }) => {
    if (weirKey === null) return nobodyListed(clientKey === null ? '' : fingerprint(clientKey), isOpen ? null : missing())
    const found = keys.find(weirKey)
    if (found.holder !== null) return callerOf(found.holder)
    if (found.fault === 'expired') return refusedHolder(found.was, `The Weir key "${found.was.name}" has expired. Use a new one.`)
    return nobodyListed(
      `weir-${fingerprint(weirKey)}`,
      isOpen ? null : invalid('The Weir key that came is not known here: mistyped, taken back, or of another Weir.'),
    )
  }
}
