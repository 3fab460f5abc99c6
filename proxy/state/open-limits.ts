import { join } from 'node:path'
import type { Config } from '../../core/config.js'
import type { LimitStore } from './limit-store.js'
import { openMemoryLimits } from './memory-limits.js'

interface Deps {
  readonly config: Config
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void }
}

/**
 * Opens the store of the levels of limits: Redis where there is one, else this process and its folder.
 *
 * @returns When Redis has answered, or has not within a second: it is tried again and again while calls go on.
 */
export const openLimitStore = async ({ config, now, log }: Deps): Promise<LimitStore> => {
  if (config.redisUrl === null)
    return openMemoryLimits({
      now,
      file: join(config.dataDir, 'state', 'limits'),
      failed: (cause) => log.error({ err: cause }, 'The levels of limits cannot be saved.'),
    })
  const [{ openRedisLink }, { openRedisLimits }] = await Promise.all([import('./redis-link.js'), import('./redis-limits.js')])
  let wasAway = false
  const link = openRedisLink({
    url: config.redisUrl,
    changed: (isUp, cause) => {
      if (!isUp)
        log.error(
          { reason: cause?.message ?? 'it does not answer' },
          'Redis is away: limits.onStoreError says what happens to calls.',
        )
      else if (wasAway) log.warn({}, 'Redis answers again: limits are enforced.')
      wasAway = !isUp
    },
  })
  await link.begun
  return openRedisLimits(link)
}
