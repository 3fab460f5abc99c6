import type { TenantId } from '../../core/tenant.js'
import { decodeEntry, encodeEntry } from './cache-file.js'
import type { CacheStore } from './cache-store.js'
import type { RedisLink } from './redis-link.js'

/** KEYS: the slots. ARGV: now, the earliest moment of saving that counts, which slot was drawn. `s`, `e`, `v`: saved, expires, entry. */
const findScript = `
for i = 1, #KEYS do
  local at = redis.call('HMGET', KEYS[i], 's', 'e')
  if not at[1] or tonumber(at[2]) <= tonumber(ARGV[1]) or tonumber(at[1]) < tonumber(ARGV[2]) then return false end
end
return redis.call('HGET', KEYS[tonumber(ARGV[3])], 'v')`

/** KEYS: the slots. ARGV: now, saved, expires, entry. The first free slot, else the oldest. */
const saveScript = `
local slot, oldest = 1, nil
for i = 1, #KEYS do
  local at = redis.call('HMGET', KEYS[i], 's', 'e')
  if not at[1] or tonumber(at[2]) <= tonumber(ARGV[1]) then
    slot = i
    break
  end
  if oldest == nil or tonumber(at[1]) < oldest then slot, oldest = i, tonumber(at[1]) end
end
redis.call('HSET', KEYS[slot], 's', ARGV[2], 'e', ARGV[3], 'v', ARGV[4])
redis.call('PEXPIRE', KEYS[slot], ARGV[3] - ARGV[1])
return slot`

interface Options {
  readonly link: RedisLink
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** From 0 to below 1. */
  readonly random?: () => number
}

/** All slots of a key lie on one node of a cluster. */
const slotsOf = (name: string, slots: number): readonly string[] =>
  Array.from({ length: slots }, (_, slot) => `weir:cache:{${name}}:${slot}`)

const nameOf = (tenant: TenantId, key: string): string => `${tenant}/${key}`

/**
 * Answers that any number of proxies share. How much is kept is for Redis to say (`maxmemory`, with a policy that lets keys go); each
 * answer leaves by itself when its time is over.
 */
export const openRedisCache = ({ link, now, random = Math.random }: Options): CacheStore => {
  const find = link.bytesScript('weirCacheFind', findScript)
  const save = link.bytesScript('weirCacheSave', saveScript)
  return {
    find: async (tenant, key, { slots, maxAgeMs }) => {
      const name = nameOf(tenant, key)
      const slot = slots === 1 ? 0 : Math.floor(random() * slots)
      const at = now()
      const found = await link.run(() => find(slotsOf(name, slots), [at, at - maxAgeMs, slot + 1]))
      const entry = Buffer.isBuffer(found) ? decodeEntry(name, found) : null
      return entry === null ? null : { entry, slot }
    },
    save: async (tenant, key, slots, entry) => {
      const name = nameOf(tenant, key)
      const bytes = Buffer.concat(encodeEntry(name, entry))
      await link.run(() => save(slotsOf(name, slots), [now(), entry.savedAt, entry.expiresAt, bytes]))
    },
    purge: (tenant) => link.removeAll(`weir:cache:{${tenant}/*`),
    bytes: () => null,
    close: () => link.close(),
  }
}
