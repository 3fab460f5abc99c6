import { isLoopback, type Config } from './config.js'
import { scopes, type Scope } from './config/weir-key.js'
import { defaultTenant } from './tenant.js'
import { weirKeyring, type KeyFound, type KeyHolder } from './weir-keys.js'

/** Who may ask beside the calls themselves: pages, API, SQL, metrics (security.md §1). */
export interface Access {
  /** Whoever reaches this machine is let in, and keys are not looked at: a loopback bind under `auth: open`. */
  readonly isOpen: boolean
  /** What SQL wants. It sees every tenant, so that off loopback `sql` alone is not enough. */
  readonly sqlScope: Scope
  find(key: string): KeyFound
}

/** Why somebody is not let in. `message` holds nothing of the key. */
export interface NotLetIn {
  readonly fault: 'none' | 'unknown' | 'expired' | 'scope'
  readonly message: string
}

export type LetIn = { readonly holder: KeyHolder; readonly refused: null } | { readonly holder: null; readonly refused: NotLetIn }

/** Stands for everybody where access is open. */
const everybody: KeyHolder = { name: '', tenant: defaultTenant, everyTenant: true, scopes: new Set(scopes), allow: null }

/** @param now Milliseconds since the epoch. */
export const accessOf = (config: Pick<Config, 'host' | 'auth' | 'keys' | 'adminSecret'>, now: () => number): Access => {
  const isLocal = isLoopback(config.host)
  const keyring = weirKeyring(config, now)
  return {
    isOpen: isLocal && config.auth === 'open',
    sqlScope: isLocal ? 'sql' : 'admin',
    find: (key) => keyring.find(key),
  }
}

const refused = (fault: NotLetIn['fault'], message: string): LetIn => ({ holder: null, refused: { fault, message } })

/**
 * Lets in who holds all the scopes, or says which one is missing. Who holds a key is told what it is called, nobody else is told anything.
 *
 * @param key The Weir key or admin secret that came along; `null` = none.
 */
export const letIn = (access: Access, key: string | null, needs: readonly Scope[]): LetIn => {
  if (access.isOpen) return { holder: everybody, refused: null }
  if (key === null || key === '')
    return refused('none', 'This Weir wants to know who asks: give a Weir key of weir.yaml, or the admin secret.')
  const { holder, ...found } = access.find(key)
  if (holder === null)
    return found.fault === 'expired'
      ? refused('expired', `The Weir key ${found.was.name} has expired.`)
      : refused('unknown', 'Neither the admin secret nor a Weir key of weir.yaml is like this.')
  const missing = needs.find((scope) => !holder.scopes.has(scope))
  if (missing !== undefined) return refused('scope', `The Weir key ${holder.name} lacks the scope ${missing}.`)
  return { holder, refused: null }
}
