import { join } from 'node:path'
import type { Config } from '../../core/config.js'
import type { LimitStore } from './limit-store.js'
import { openMemoryLimits } from './memory-limits.js'
import type { RedisLinks } from './open-redis.js'
import { openRedisLimits } from './redis-limits.js'

interface Deps {
  readonly config: Config
  /** `null` = there is none. */
  readonly redis: RedisLinks | null
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: { error(fields: object, message: string): void }
}

/** Opens the store of the levels of limits: Redis where there is one, else this process and its folder. */
export const openLimitStore = ({ config, redis, now, log }: Deps): LimitStore =>
  redis === null
    ? openMemoryLimits({
        now,
        file: join(config.dataDir, 'state', 'limits'),
        failed: (cause) => log.error({ err: cause }, 'The levels of limits cannot be saved.'),
      })
    : openRedisLimits(redis.state)
