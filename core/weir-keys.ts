import { createHash, timingSafeEqual } from 'node:crypto'
import type { Config, WeirKeyConfig } from './config.js'
import { scopes, type Scope } from './config/weir-key.js'
import { defaultTenant, tenantId, type TenantId } from './tenant.js'

/** Where the calls of a key may go; `null` = anywhere. */
export interface KeyAllows {
  readonly providers: readonly string[] | null
  /** * stands for any text. */
  readonly models: readonly string[] | null
}

/** Who holds a Weir key, and what for. */
export interface KeyHolder {
  /** Stands in the place of the key; `@admin` for the admin secret. */
  readonly name: string
  readonly tenant: TenantId
  /** The admin secret is for every tenant: `tenant` is what holds when none is named. */
  readonly everyTenant: boolean
  /** Exactly these: none of them contains another. */
  readonly scopes: ReadonlySet<Scope>
  /** `null` = everything. */
  readonly allow: KeyAllows | null
}

/** Whose key it is, or why it is nobody's. */
export type KeyFound =
  | { readonly holder: KeyHolder; readonly fault: null }
  | { readonly holder: null; readonly fault: 'unknown' }
  /** Whose it was may be told to whoever has the key. */
  | { readonly holder: null; readonly fault: 'expired'; readonly was: KeyHolder }

/** The Weir keys of weir.yaml, and the admin secret. */
export interface WeirKeyring {
  /** There is neither key nor admin secret: every key is unknown. */
  readonly isEmpty: boolean
  find(key: string): KeyFound
}

interface Listed {
  readonly digest: Buffer
  readonly found: KeyFound
  readonly expired: KeyFound
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

const unknown: KeyFound = { holder: null, fault: 'unknown' }
/** What `Weir-Auth` takes at most. */
const longestKey = 512
const mostUnknown = 4096

/** What weir.yaml says of a key in its place: SHA-256, in hex. */
export const keyDigest = (key: string): string => createHash('sha256').update(key).digest('hex')

/** From when on a key is refused, in milliseconds since the epoch; infinity = never. A date begins at midnight UTC. */
export const keyExpiresAt = ({ expires }: Pick<WeirKeyConfig, 'expires'>): number =>
  expires === null ? Number.POSITIVE_INFINITY : Date.parse(expires)

const listedBy = (holder: KeyHolder, sha256: string, expiresAt: number): Listed => ({
  digest: Buffer.from(sha256, 'hex'),
  found: { holder, fault: null },
  expired: { holder: null, fault: 'expired', was: holder },
  expiresAt,
})

const holderOf = ({ name, tenant, scopes: held, allow }: WeirKeyConfig): KeyHolder => ({
  name,
  tenant: tenantId(tenant),
  everyTenant: false,
  scopes: new Set(held),
  allow:
    allow.providers === undefined && allow.models === undefined
      ? null
      : { providers: allow.providers ?? null, models: allow.models ?? null },
})

/**
 * Looks Weir keys up by their SHA-256 alone; no key in clear is compared with another. The admin secret is one that holds every scope.
 *
 * Whose a key is, is remembered, so that a call costs no digest; keys nobody holds are remembered apart from the others, so that whoever
 * sends many of them displaces none.
 *
 * @param now Milliseconds since the epoch.
 */
export const weirKeyring = ({ keys, adminSecret }: Pick<Config, 'keys' | 'adminSecret'>, now: () => number): WeirKeyring => {
  const byDigest = new Map<string, Listed>()
  for (const key of keys) byDigest.set(key.sha256, listedBy(holderOf(key), key.sha256, keyExpiresAt(key)))
  if (adminSecret !== null) {
    const admin: KeyHolder = {
      name: '@admin',
      tenant: defaultTenant,
      everyTenant: true,
      scopes: new Set(scopes),
      allow: null,
    }
    const digest = keyDigest(adminSecret)
    byDigest.set(digest, listedBy(admin, digest, Number.POSITIVE_INFINITY))
  }
  const known = new Map<string, Listed>()
  const strangers = new Set<string>()
  const look = (key: string): Listed | null => {
    if (key === '' || key.length > longestKey || strangers.has(key)) return null
    const hex = keyDigest(key)
    const listed = byDigest.get(hex)
    if (listed !== undefined && timingSafeEqual(listed.digest, Buffer.from(hex, 'hex'))) {
      known.set(key, listed)
      return listed
    }
    if (strangers.size >= mostUnknown) strangers.clear()
    strangers.add(key)
    return null
  }
  return {
    isEmpty: byDigest.size === 0,
    find: (key) => {
      if (byDigest.size === 0) return unknown
      const listed = known.get(key) ?? look(key)
      if (listed === null) return unknown
      return listed.expiresAt === Number.POSITIVE_INFINITY || now() < listed.expiresAt ? listed.found : listed.expired
    },
  }
}
