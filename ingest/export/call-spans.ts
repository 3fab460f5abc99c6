import type { ExportDestination } from '../../core/config.js'
import type { Exchange } from '../../core/exchange.js'
import type { Enriched } from '../enrich/enriched.js'
import { callAttributes, failed, firstBytes, methodOf, serverSpanAttributes } from './attributes.js'
import { langfuseAttributes } from './langfuse.js'
import { spanId } from './span-ids.js'
import { hrTime, kind, statusCode, toSpan, type Resource, type Span, type TimedEvent } from './span.js'

export type SpanOptions = Pick<ExportDestination, 'profile' | 'content'>

/** When the call ended, in microseconds after its start: the last byte. A call lost with its proxy ends where it starts. */
const endUs = ({ outcome, marksUs, attempts }: Exchange): number => {
  if (outcome === 'proxy_lost') return 0
  const lastSend = attempts.reduce((latest, attempt) => Math.max(latest, attempt.endUs), 0)
  return marksUs.lastByte ?? marksUs.closed ?? lastSend
}

const wentUpstream = ({ outcome, attempts, marksUs, cache }: Exchange): boolean =>
  outcome !== 'cached' &&
  outcome !== 'refused' &&
  cache?.status !== 'hit' &&
  (attempts.length > 0 || marksUs.sent !== null || outcome === 'proxy_lost')

// weir.fallback, weir.rate_limited and weir.guardrail join this list with the stages they tell of.
const eventsOf = ({ exchange, row }: Enriched): TimedEvent[] => {
  const events: TimedEvent[] = []
  const add = (name: string, afterUs: number | null, attributes: TimedEvent['attributes'] = {}): void => {
    if (afterUs !== null) events.push({ name, time: hrTime(exchange.startedAt, afterUs), attributes })
  }
  if (exchange.cache?.status === 'hit')
    add('weir.cache.hit', exchange.marksUs.headers, {
      'weir.cache.original': exchange.cache.originalId ?? '',
      'weir.cache.saved_ms': row.saved_ms,
      ...(row.cost_saved === null ? {} : { 'weir.cache.saved_usd': row.cost_saved }),
    })
  if (exchange.streaming) add('weir.first_chunk', exchange.marksUs.firstContent)
  if (exchange.outcome === 'client_abort') add('weir.client_disconnect', exchange.marksUs.closed ?? endUs(exchange))
  return events
}

const statusOf = (enriched: Enriched, fromStatus: 400 | 500): { code: 0 | 2; message?: string } => {
  if (!failed(enriched, fromStatus)) return { code: statusCode.unset }
  const message = firstBytes(enriched.row.error_message, 256)
  return message === '' ? { code: statusCode.error } : { code: statusCode.error, message }
}

/**
 * The spans of one call (traces.md §1): SERVER for the request to Weir, below it the call itself, which alone has usage and cost.
 * Pure, with ids and times out of the event: a replay gives equal spans, byte for byte.
 *
 * Spans of single attempts will hang below the call's span, with the role `attempt`; nodes of `session_path` above it, where there
 * is no `traceparent`. Langfuse reads neither SERVER spans nor nodes: it groups by session id.
 */
export const callSpans = (enriched: Enriched, resource: Resource, { profile, content }: SpanOptions): Span[] => {
  const { exchange, row } = enriched
  const { id, startedAt } = exchange
  const caller = row.parent_span_id === '' ? null : { spanId: row.parent_span_id, remote: true }
  const start = hrTime(startedAt, 0)
  const end = hrTime(startedAt, endUs(exchange))
  const flat = profile === 'langfuse'
  const server = spanId(id, 'server', 0)
  const name = row.operation === '' ? methodOf(row.endpoint) : `${row.operation} ${row.request_model}`.trimEnd()
  const firstUs = exchange.marksUs.firstContent
  const completionStart =
    row.streaming && firstUs !== null ? new Date(Date.parse(startedAt) + firstUs / 1000).toISOString() : null

  const call = toSpan({
    traceId: row.trace_id,
    spanId: spanId(id, 'call', 0),
    parent: flat ? caller : { spanId: server, remote: false },
    name,
    kind: wentUpstream(exchange) ? kind.client : kind.internal,
    start,
    end,
    attributes: {
      ...callAttributes(enriched, content),
      ...(flat ? langfuseAttributes(enriched, { spanName: name, content, completionStart }) : {}),
    },
    events: eventsOf(enriched),
    status: statusOf(enriched, 400),
    resource,
  })
  if (flat) return [call]
  const request = toSpan({
    traceId: row.trace_id,
    spanId: server,
    parent: caller,
    name: row.endpoint,
    kind: kind.server,
    start,
    end,
    attributes: serverSpanAttributes(enriched),
    events: [],
    status: statusOf(enriched, 500),
    resource,
  })
  return [request, call]
}

/** Does the destination want this call? A caller whose `traceparent` says "not sampled" is followed. */
export const wanted = ({ identity }: Exchange, { respectSampled }: Pick<ExportDestination, 'respectSampled'>): boolean =>
  !respectSampled || identity.trace === null || identity.trace.sampled
