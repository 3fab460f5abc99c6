import type { TenantId } from '../../core/tenant.js'
import { msUntil } from './bucket.js'
import { settleScript, takeScript } from './limit-scripts.js'
import { StoreDown, type LimitBucket, type LimitCheck, type LimitStore, type Taken } from './limit-store.js'
import { stateOf } from './limit-state.js'
import type { RedisLink } from './redis-link.js'

/** All buckets of a tenant lie in one slot of a cluster: one script may touch several of them. */
const nameOf = (tenant: TenantId, { owner, key }: LimitBucket): string => `weir:limit:{${tenant}}:${owner}:${key}`

const readTaken = (answer: unknown, checks: readonly LimitCheck[]): Taken => {
  if (!Array.isArray(answer) || answer.length !== 1 + 2 * checks.length || !answer.every((each) => Number.isSafeInteger(each)))
    throw new StoreDown('Redis answered something else than was asked for.')
  const [taken, ...levels] = answer as readonly number[]
  return {
    taken: taken === 1,
    states: checks.map((check, i) => {
      const level = { level: levels[2 * i] ?? 0, rest: levels[2 * i + 1] ?? 0 }
      return stateOf(level, check, taken === 1 ? 0 : msUntil(level, check.costMicro, check.quotaMicro, check.windowMs))
    }),
  }
}

/** Limits of any number of proxies, exact together: one script, one round trip, by the clock of Redis. */
export const openRedisLimits = (link: RedisLink): LimitStore => {
  const take = link.script('weirLimitTake', takeScript)
  const settle = link.script('weirLimitSettle', settleScript)
  const settleAll: LimitStore['settle'] = async (tenant, settlements) => {
    const keys = settlements.map((each) => nameOf(tenant, each))
    const args = settlements.flatMap(({ quotaMicro, windowMs, changeMicro }) => [quotaMicro, windowMs, changeMicro])
    await link.run(() => settle(keys, args))
  }
  return {
    take: async (tenant, checks) => {
      const keys = checks.map((check) => nameOf(tenant, check))
      const args = checks.flatMap(({ quotaMicro, windowMs, costMicro }) => [quotaMicro, windowMs, costMicro])
      const giveBack = (answer: unknown): void => {
        if (Array.isArray(answer) && answer[0] === 1)
          void settleAll(
            tenant,
            checks.map((check) => ({ ...check, changeMicro: check.costMicro })),
          ).catch(() => undefined)
      }
      return readTaken(await link.run(() => take(keys, args), giveBack), checks)
    },
    settle: settleAll,
    close: () => link.close(),
  }
}
