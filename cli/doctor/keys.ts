import type { Config } from '../../core/config.js'
import { keyExpiresAt } from '../../core/weir-keys.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

const dayMs = 86_400_000
const soonDays = 14

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
const inDays = (days: number): string => (days < 1 ? 'within a day' : days < 2 ? 'in a day' : `in ${Math.floor(days)} days`)

/**
 * Keys that hold no longer, or not much longer, by name; and whether anybody can call at all.
 *
 * @param now Milliseconds since the epoch.
 */
export const checkKeys = ({ auth, keys, adminSecret }: Pick<Config, 'auth' | 'keys' | 'adminSecret'>, now: number): Check => {
  const { ok, warn } = verdicts('keys')
  const left = keys.map((key) => ({ key, ms: keyExpiresAt(key) - now }))
  const expired = left.filter(({ ms }) => ms <= 0).map(({ key, ms }) => `${key.name} expired on ${dayOf(now + ms)}`)
  const soon = left
    .filter(({ ms }) => ms > 0 && ms <= soonDays * dayMs)
    .map(({ key, ms }) => `${key.name} expires on ${dayOf(now + ms)}, ${inDays(ms / dayMs)}`)
  const callers = left.filter(({ key, ms }) => ms > 0 && key.scopes.includes('proxy')).length
  if (auth === 'required' && callers === 0 && adminSecret === null)
    return warn(
      ['auth: required, and no key is for calls: all of them get 401', ...expired].join('; '),
      '`weir key new NAME` makes one; put its line under keys in weir.yaml.',
    )
  if (expired.length > 0 || soon.length > 0)
    return warn(
      [...expired, ...soon].join('; '),
      '`weir key new NAME` makes the next one; take the lines of old ones out of weir.yaml.',
    )
  const many = keys.length === 1 ? '1 key' : `${keys.length === 0 ? 'no' : keys.length} keys`
  return ok(`auth: ${auth}, ${many}`)
}
