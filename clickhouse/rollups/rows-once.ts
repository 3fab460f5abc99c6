import type { Feed } from './rollups.js'

/** From the first moment to the last, the second one exclusive; ms since the epoch. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** A time as a SQL literal of the type of `ts`. */
export const sqlInstant = (ms: number): string =>
  `toDateTime64('${new Date(ms).toISOString().replace('T', ' ').replace('Z', '')}', 3, 'UTC')`

const within = ({ fromMs, toMs }: Span): string => `ts >= ${sqlInstant(fromMs)} AND ts < ${sqlInstant(toMs)}`

/** Every stored call of a span, each once, as `requests` holds it. */
const requestsOnce = (span: Span): string => `SELECT * FROM requests FINAL WHERE ${within(span)}`

/**
 * What re-pricing changed of the calls of a span, in the shape of `repriced`: one row a call. The differences add up, the last status
 * holds, and a difference goes to the last attempt, as when it was written.
 */
const repricedOnce = (span: Span): string => `
  SELECT r.tenant_id AS tenant_id, r.ts AS ts, r.request_id AS request_id, a.delta AS delta, a.cost_status AS cost_status, a.price_id AS price_id, a.last_at AS at,
    toInt8(a.cost_status = 'unpriced') - toInt8(r.cost_status = 'unpriced') AS unpriced_delta, r.provider AS provider, r.model AS model, r.outcome AS outcome,
    r.error_kind AS error_kind, r.user_id AS user_id, r.key_id AS key_id, r.session_id AS session_id, r.session_name AS session_name, r.properties AS properties,
    CAST(arrayMap(x -> (x.target, x.provider, x.model, x.error_kind, a.delta), arraySlice(r.attempts, -1)),
      'Array(Tuple(target String, provider String, model String, error_kind String, delta Decimal(38, 12)))') AS attempts
  FROM (${requestsOnce(span)}) AS r
  INNER JOIN (
    SELECT tenant_id, request_id, sum(delta) AS delta, argMax(cost_status, at) AS cost_status, argMax(price_id, at) AS price_id, max(at) AS last_at
    FROM (SELECT * FROM cost_adjustments WHERE ${within(span)}) GROUP BY tenant_id, request_id
  ) AS a ON r.tenant_id = a.tenant_id AND r.request_id = a.request_id`

/** What a feed would have been given of a span, had every call come once. */
export const rowsOnce = ({ from }: Feed, span: Span): string => (from === 'requests' ? requestsOnce(span) : repricedOnce(span))
