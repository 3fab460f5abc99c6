import { join } from 'node:path'
import type { Config } from '../../core/config.js'
import type { CacheStore } from './cache-store.js'
import { openMemoryCache } from './memory-cache.js'

interface Deps {
  readonly config: Config
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * Opens the store of the answers that are kept: Redis where there is one, on a connection of its own, so that long answers are in no
 * limit's way; else this process and its folder.
 *
 * @returns When Redis has answered, or has not within a second: until it does, every call is a miss.
 */
export const openCacheStore = async ({ config, now, log }: Deps): Promise<CacheStore> => {
  if (config.redisUrl === null)
    return openMemoryCache({ limitBytes: config.cache.memory, dir: join(config.dataDir, 'state', 'cache'), now })
  const [{ openRedisLink }, { openRedisCache }] = await Promise.all([import('./redis-link.js'), import('./redis-cache.js')])
  let wasAway = false
  const link = openRedisLink({
    url: config.redisUrl,
    changed: (isUp, cause) => {
      if (!isUp)
        log.warn(
          { reason: cause?.message ?? 'it does not answer' },
          'Redis is away: nothing is answered from the cache, or kept in it.',
        )
      else if (wasAway) log.warn({}, 'Redis answers again: so does the cache.')
      wasAway = !isUp
    },
  })
  await link.begun
  return openRedisCache({ link, now })
}
