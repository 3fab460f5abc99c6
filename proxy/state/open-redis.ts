import type { Config } from '../../core/config.js'
import { redisFault } from './redis-fault.js'
import type { RedisFailure, RedisLink } from './redis-link.js'

interface Deps {
  readonly config: Config
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void }
}

/** The connections of one process to its Redis. */
export interface RedisLinks {
  /** Limits and circuits: short questions that calls wait for. */
  readonly state: RedisLink
  /** The answers of the cache: one of 8 MiB is longer on its way than a limit waits, so none is in a limit's way. */
  readonly answers: RedisLink
  /** What does not answer, for people; `null` = all do. */
  away(): string | null
  /** Questions without an answer, by reason, since the start. */
  failures(): ReadonlyMap<RedisFailure, number>
  close(): Promise<void>
}

/**
 * Connects to Redis where there is one.
 *
 * @returns When it has answered, or has not within a second: it is tried again and again while calls go on. `null` = none is configured.
 */
export const openRedis = async ({ config: { redisUrl }, log }: Deps): Promise<RedisLinks | null> => {
  if (redisUrl === null) return null
  const { openRedisLink } = await import('./redis-link.js')
  const { host } = new URL(redisUrl)
  const failures = new Map<RedisFailure, number>([
    ['late', 0],
    ['refused', 0],
    ['away', 0],
  ])
  const open = (told: (isUp: boolean, reason: string) => void): RedisLink => {
    let wasAway = false
    return openRedisLink({
      url: redisUrl,
      failed: (reason) => failures.set(reason, (failures.get(reason) ?? 0) + 1),
      changed: (isUp, cause) => {
        if (!isUp || wasAway) told(isUp, redisFault(cause, redisUrl))
        wasAway = !isUp
      },
    })
  }
  const state = open((isUp, reason) => {
    if (isUp) log.warn({}, 'Redis answers again: limits are enforced, circuits are shared.')
    else
      log.error(
        {},
        `The Redis at ${host} (REDIS_URL) cannot be used: ${reason} It is tried again until it can; meanwhile limits.onStoreError says what ` +
          'happens to calls, and this process goes by the circuits it knows.',
      )
  })
  const answers = open((isUp, reason) => {
    if (isUp) log.warn({}, 'Redis answers again: so does the cache.')
    else
      log.warn(
        {},
        `The Redis at ${host} (REDIS_URL) cannot be used: nothing is answered from the cache, or kept in it. ${reason}`,
      )
  })
  await Promise.all([state.begun, answers.begun])
  return {
    state,
    answers,
    away: () =>
      state.isUp && answers.isUp
        ? null
        : 'Redis does not answer: what would come from the cache is asked for anew, limits.onStoreError says what limits do, and each proxy goes by the circuits it knows.',
    failures: () => failures,
    close: async () => {
      await Promise.all([state.close(), answers.close()])
    },
  }
}
