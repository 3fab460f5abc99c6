import { namedKinds, type Conditions } from '../../core/conditions.js'
import type { Config } from '../../core/config.js'
import type { Call } from '../call.js'

/** As a caller would write them. */
const conditions = (on: Conditions | null): string | null =>
  on === null
    ? null
    : [
        ...on.statuses.map(([from, to]) =>
          from === to ? String(from) : from % 100 === 0 && to === from + 99 ? `${from / 100}xx` : `${from}-${to}`,
        ),
        ...namedKinds.filter((kind) => on.kinds.has(kind)),
      ].join(' ')

/** What holds for a call, once everything that may say so has said it. */
export const steeringSaid = ({ steering, durability, streamUsage, costReport, wholeEvents, identity }: Call, config: Config) => {
  const { cache, failover, rateLimit, disconnect } = steering
  const retry = failover?.retry ?? null
  const { connect, ttft, idle, total } = { ...config.timeouts, ...failover?.timeouts }
  return {
    cache:
      cache === null
        ? null
        : {
            read: cache.read,
            save: cache.save,
            maxAgeS: cache.maxAgeMs / 1000,
            bucketMaxSize: cache.slots,
            seed: cache.seed,
            ignoreKeys: cache.ignoreKeys.map((path) => path.join('.')),
            scope: cache.scope,
            replay: cache.replay,
          },
    retry:
      retry === null
        ? null
        : { num: retry.num, factor: retry.factor, minMs: retry.minMs, maxMs: retry.maxMs, on: conditions(retry.on) },
    timeoutsMs: { connect, ttft, idle, total },
    strategy: failover?.strategy ?? null,
    rateLimit: rateLimit === null ? null : (rateLimit.policies?.map(({ text }) => text) ?? 'invalid_policy'),
    disconnect: disconnect ?? 'by provider',
    omitRequest: identity.omitRequest,
    omitResponse: identity.omitResponse,
    streamUsage,
    streamForceFormat: wholeEvents,
    durability: durability === 'off' ? config.journal.durability : durability,
    costReport,
  }
}
