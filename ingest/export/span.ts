import type { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'

/** What the OTLP exporters take: a finished span as a plain object. */
export type Span = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number]
export type Resource = Span['resource']
export type Attributes = Span['attributes']
export type HrTime = Span['startTime']
export type TimedEvent = Span['events'][number]

/** SpanKind and SpanStatusCode of the OpenTelemetry API. */
export const kind = { internal: 0, server: 1, client: 2 } as const
export const statusCode = { unset: 0, ok: 1, error: 2 } as const

export interface SpanParts {
  readonly traceId: string
  readonly spanId: string
  /** `remote`: the parent lies in the caller's process. */
  readonly parent: { readonly spanId: string; readonly remote: boolean } | null
  readonly name: string
  readonly kind: (typeof kind)[keyof typeof kind]
  readonly start: HrTime
  readonly end: HrTime
  readonly attributes: Attributes
  readonly events: TimedEvent[]
  readonly status: { readonly code: 0 | 1 | 2; readonly message?: string }
  readonly resource: Resource
}

const sampled = 1

export const toSpan = ({
  traceId,
  spanId,
  parent,
  name,
  kind,
  start,
  end,
  attributes,
  events,
  status,
  resource,
}: SpanParts): Span => ({
  name,
  kind,
  spanContext: () => ({ traceId, spanId, traceFlags: sampled }),
  ...(parent === null
    ? {}
    : { parentSpanContext: { traceId, spanId: parent.spanId, traceFlags: sampled, isRemote: parent.remote } }),
  startTime: start,
  endTime: end,
  duration: [end[0] - start[0], end[1] - start[1]],
  ended: true,
  status,
  attributes,
  events,
  links: [],
  resource,
  // No schema URL: translating by it would rename the keys that go out in two spellings wrongly (traces.md).
  instrumentationScope: { name: 'weir' },
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
})

/** Microseconds after an ISO time with milliseconds, exactly: [seconds, nanoseconds]. */
export const hrTime = (startedAt: string, afterUs: number): HrTime => {
  const ms = Date.parse(startedAt)
  const whole = Math.floor(ms / 1000)
  const us = (ms - whole * 1000) * 1000 + Math.max(0, Math.round(afterUs))
  return [whole + Math.floor(us / 1_000_000), (us % 1_000_000) * 1000]
}
