import { msUntil, type Level } from './bucket.js'
import type { LimitBucket, LimitState } from './limit-store.js'

/** What is told of a bucket. */
export const stateOf = (level: Level, { quotaMicro, windowMs }: LimitBucket, waitMs: number): LimitState => ({
  levelMicro: level.level,
  waitMs,
  fullMs: msUntil(level, quotaMicro, quotaMicro, windowMs),
})
