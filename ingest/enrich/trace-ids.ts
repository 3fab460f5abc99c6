import { hash } from 'node:crypto'
import type { Exchange } from '../../core/exchange.js'
import { spanId } from '../export/span-ids.js'

/** Where a call stands in its trace (traces.md §1). */
export interface TraceIds {
  readonly traceId: string
  /** Empty when the caller named none. */
  readonly parentSpanId: string
  readonly sampled: boolean
}

/**
 * The caller's trace if it sent one, else one per session, else one per call: worked out, so that a replay gives equal ids. A response
 * that came over a connection stands below the span of that, in its trace.
 */
export const traceIds = ({
  identity,
  tenant,
  id,
  connection,
}: Pick<Exchange, 'identity' | 'tenant' | 'id' | 'connection'>): TraceIds => {
  const { trace, sessionId } = identity
  const above = connection === undefined ? null : spanId(connection, 'call', 0)
  if (trace !== null) return { traceId: trace.traceId, parentSpanId: above ?? trace.parentSpanId, sampled: trace.sampled }
  const digest = hash('sha256', `t1|${tenant}|${sessionId ?? connection ?? id}`, 'hex').slice(0, 32)
  return { traceId: /^0+$/.test(digest) ? `${digest.slice(0, 31)}1` : digest, parentSpanId: above ?? '', sampled: true }
}
