import type { TraceContext } from '../../core/exchange.js'

/** A W3C `traceparent`; an invalid one counts as none (traces.md §1). */
export const readTraceparent = (value: string | null): TraceContext | null => {
  if (value === null) return null
  const found = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(value.trim())
  if (found === null) return null
  const [, version, traceId, parentSpanId, flags, rest] = found as unknown as [
    string,
    string,
    string,
    string,
    string,
    string | undefined,
  ]
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return null
  return { traceId, parentSpanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}
