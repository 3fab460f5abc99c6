import { readFallback, type FallbackAsked } from './fallback.js'
import type { OwnValues } from './own-values.js'
import { readRetry, type RetryAsked } from './retry.js'
import { inOrder, readStrategy, type StrategyAsked } from './strategy.js'
import { readTimeouts, type TimeoutsAsked } from './timeouts.js'

/** What a call asks of the tries that are made for it: how often, how long, and where else. */
export interface FailoverAsked {
  readonly retry: RetryAsked | null
  readonly timeouts: TimeoutsAsked | null
  readonly fallback: FallbackAsked | null
  readonly strategy: StrategyAsked
}

/** Of a call that asks for nothing of this. */
export const noFailover: FailoverAsked = { retry: null, timeouts: null, fallback: null, strategy: inOrder }

/**
 * @returns `null` when nothing is asked.
 * @throws WeirError `bad_header`
 */
export const readFailover = (own: OwnValues): FailoverAsked | null => {
  const retry = readRetry(own)
  const timeouts = readTimeouts(own)
  const fallback = readFallback(own)
  const strategy = readStrategy(own)
  return retry === null && timeouts === null && fallback === null && strategy === inOrder
    ? null
    : { retry, timeouts, fallback, strategy }
}
