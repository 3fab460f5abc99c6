import { createHash } from 'node:crypto'
import type { Call } from '../call.js'

const first = (text: string, bytes: number): string =>
  createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, bytes * 2)

/** The `traceparent` for an upstream that may see one: the call's own span is the parent (traces.md §1, §6). */
export const upstreamTraceparent = (call: Call): string => {
  const { trace, sessionId } = call.identity
  const traceId =
    trace?.traceId ?? first(sessionId === null ? `t1|${call.tenant}|${call.id}` : `t1|${call.tenant}|${sessionId}`, 16)
  return `00-${traceId}-${first(`s1|${call.id}|call|0`, 8)}-${trace === null || trace.sampled ? '01' : '00'}`
}
