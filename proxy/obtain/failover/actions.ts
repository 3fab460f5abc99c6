import { isMeant, type Conditions, type Failure } from '../../../core/conditions.js'
import type { ErrorKind } from '../../../core/exchange.js'

/** What is done about a failure where nobody said otherwise (routing.md §3). */
const retried: ReadonlySet<ErrorKind> = new Set(['rate_limit', 'overloaded', 'server', 'network', 'timeout_connect', 'conflict'])
const leftBehind: ReadonlySet<ErrorKind> = new Set([
  'rate_limit',
  'overloaded',
  'server',
  'network',
  'timeout_connect',
  'timeout_ttft',
  'timeout_idle',
  'auth',
  'quota',
  'not_found',
  'context_length',
])

/**
 * May the same target be asked again?
 *
 * @param on The caller's own conditions; `null` = the usual ones.
 * @param shouldRetry What the upstream said of it, which goes before both.
 */
export const isRetried = (failure: Failure, on: Conditions | null, shouldRetry: boolean | null): boolean => {
  // Its time is the call's.
  if (failure.kind === 'timeout_total') return false
  return shouldRetry ?? (on === null ? retried.has(failure.kind) : isMeant(on, failure))
}

/**
 * May another target be asked?
 *
 * @param leaveOn Conditions of the one that failed, on which it may be left.
 * @param on Conditions of the other, on which it may be tried. Both `null` = the usual ones.
 */
export const movesOn = (failure: Failure, leaveOn: Conditions | null, on: Conditions | null): boolean => {
  if (failure.kind === 'timeout_total') return false
  if (leaveOn === null && on === null) return leftBehind.has(failure.kind)
  return (leaveOn === null || isMeant(leaveOn, failure)) && (on === null || isMeant(on, failure))
}
