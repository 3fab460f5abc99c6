import { join } from 'node:path'
import type { Config } from '../../core/config.js'
import type { CacheStore } from './cache-store.js'
import { openMemoryCache } from './memory-cache.js'
import type { RedisLinks } from './open-redis.js'
import { openRedisCache } from './redis-cache.js'

interface Deps {
  readonly config: Config
  /** `null` = there is none. */
  readonly redis: RedisLinks | null
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Opens the store of the answers that are kept: Redis where there is one, else this process and its folder. */
export const openCacheStore = ({ config, redis, now }: Deps): CacheStore | Promise<CacheStore> =>
  redis === null
    ? openMemoryCache({ limitBytes: config.cache.memory, dir: join(config.dataDir, 'state', 'cache'), now })
    : openRedisCache({ link: redis.answers, now })
