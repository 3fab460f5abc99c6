import { hash } from 'node:crypto'
import type { Exchange } from '../../core/exchange.js'

/** Where a call stands in its trace (traces.md §1). */
export interface TraceIds {
  readonly traceId: string
  /** Empty when the caller named none. */
  readonly parentSpanId: string
  readonly sampled: boolean
}

/** The caller's trace if it sent one, else one per session, else one per call: worked out, so that a replay gives equal ids. */
export const traceIds = ({ identity, tenant, id }: Pick<Exchange, 'identity' | 'tenant' | 'id'>): TraceIds => {
  const { trace, sessionId } = identity
  if (trace !== null) return { traceId: trace.traceId, parentSpanId: trace.parentSpanId, sampled: trace.sampled }
  const digest = hash('sha256', `t1|${tenant}|${sessionId ?? id}`, 'hex').slice(0, 32)
  return { traceId: /^0+$/.test(digest) ? `${digest.slice(0, 31)}1` : digest, parentSpanId: '', sampled: true }
}
