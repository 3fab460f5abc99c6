import type { ErrorKind } from '../../../core/exchange.js'
import type { Health } from '../../state/breaker-store.js'

const failing: ReadonlySet<ErrorKind> = new Set(['overloaded', 'server', 'network', 'timeout_connect', 'timeout_ttft'])
/** A key or an account that is of no use now will hardly be in a moment. */
const refusedMs = 60_000

/**
 * What an attempt says about the health of its target (routing.md §7). A target that refuses a request as such works.
 *
 * @param askedMs How long it wants to be left alone.
 * @returns `null` when it says nothing.
 */
export const healthOf = (kind: ErrorKind, askedMs: number): Health | null => {
  if (failing.has(kind)) return 'fails'
  if (kind === 'timeout_idle' || kind === 'timeout_total') return null
  if (kind === 'rate_limit') return { openMs: askedMs }
  return kind === 'auth' || kind === 'quota' ? { openMs: refusedMs } : 'works'
}
