import type { BreakerStore } from './breaker-store.js'
import { openMemoryBreaker } from './memory-breaker.js'
import type { RedisLinks } from './open-redis.js'
import { openRedisBreaker } from './redis-breaker.js'

/**
 * Opens the store of the circuits of targets: Redis where there is one, else this process.
 *
 * @param now Milliseconds of a clock that only goes forward.
 */
export const openBreaker = (redis: RedisLinks | null, now: () => number): BreakerStore =>
  redis === null ? openMemoryBreaker(now) : openRedisBreaker({ link: redis.state, now })
