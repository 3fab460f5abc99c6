import type { Cost } from '../../core/prices/cost.js'
import type { Usage } from '../../core/usage.js'
import type { Exchange } from '../../core/exchange.js'

/** One exchange with all that ingest works out from it. Pure: the same exchange, position and price book give equal values. */
export interface Enriched {
  readonly exchange: Exchange
  readonly usage: Usage
  readonly cost: Cost
  readonly row: RequestRow
  /** `null` when nothing was stored of either body. */
  readonly bodies: BodiesRow | null
}

/** n, target, provider, model, status, error_kind, start_us, end_us, cost. */
export type AttemptTuple = readonly [number, string, string, string, number, string, number, number, string | null]
/** n, replayed, input_tokens, output_tokens. */
export type AttemptFactsTuple = readonly [number, boolean, number | null, number | null]
/** target, reason, after. */
export type PassedOverTuple = readonly [string, string, number]
/** unit, model, attempt, part, quantity, unit_price, per, multiplier, amount, origin. */
export type CostLineTuple = readonly [string, string, number, number, string, string, number, string, string | null, string]

/**
 * A line of JSONEachRow for the table `requests`: exactly its columns, in its order. Decimals are strings, tuples are arrays in the
 * order of the table, `ts` is `YYYY-MM-DD hh:mm:ss.mmm` in UTC.
 */
export interface RequestRow {
  readonly tenant_id: string
  readonly ts: string
  readonly request_id: string
  readonly ver: number
  readonly source: string
  readonly source_offset: number
  readonly retention_days: number
  readonly client_request_id: string
  readonly trace_id: string
  readonly parent_span_id: string
  /** Id of a span this call is part of when the caller named it; empty = `span_id` is worked out from the request id. */
  readonly inbound_span_id: string
  readonly sampled: boolean
  readonly server_address: string
  readonly session_id: string
  readonly session_name: string
  readonly session_path: string
  readonly user_id: string
  readonly key_id: string
  readonly properties: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  readonly operation: string
  readonly provider: string
  readonly api: string
  readonly endpoint: string
  readonly target: string
  readonly request_model: string
  readonly response_model: string
  /** Override, else response model, else request model. */
  readonly model: string
  readonly response_id: string
  readonly service_tier: string
  readonly region: string
  readonly streaming: boolean
  readonly status: number
  readonly outcome: string
  readonly error_kind: string
  readonly error_code: string
  readonly error_message: string
  readonly finish_reason: string
  readonly attempts: readonly AttemptTuple[]
  readonly attempt_facts: readonly AttemptFactsTuple[]
  readonly passed_over: readonly PassedOverTuple[]
  readonly cache_status: string
  readonly cached_from: string
  readonly saved_tokens: number | null
  readonly saved_ms: number
  readonly guardrails: readonly string[]
  readonly altered: readonly string[]
  readonly warnings: readonly string[]
  readonly total_ms: number | null
  readonly time_to_first_chunk_ms: number | null
  readonly overhead_us: number
  readonly marks_us: Readonly<Record<string, number>>
  readonly req_bytes: number
  readonly res_bytes: number
  readonly tool_calls: number
  readonly input_tokens: number | null
  readonly output_tokens: number | null
  readonly cache_read_tokens: number | null
  readonly cache_write_tokens: number | null
  readonly cache_write_5m_tokens: number | null
  readonly cache_write_1h_tokens: number | null
  readonly reasoning_tokens: number | null
  readonly input_audio_tokens: number | null
  readonly output_audio_tokens: number | null
  readonly input_image_tokens: number | null
  readonly output_image_tokens: number | null
  readonly cache_read_audio_tokens: number | null
  readonly cache_read_image_tokens: number | null
  readonly usage_extra: Readonly<Record<string, number>>
  readonly usage_source: string
  readonly usage_reason: string
  readonly usage_notes: readonly string[]
  /** JSON text of the raw usage objects: `[{"source":"...","json":"..."}]`; empty when there were none. */
  readonly usage_raw: string
  readonly price_facts: Readonly<Record<string, string>>
  readonly cost_input: string | null
  readonly cost_output: string | null
  readonly cost_other: string | null
  readonly cost_provider: string | null
  readonly cost_total: string | null
  readonly cost_saved: string | null
  readonly cost_status: string
  readonly cost_reason: string
  readonly price_id: string
  readonly cost_lines: readonly CostLineTuple[]
  readonly prompt_id: string
  readonly prompt_version: string
  /** Decimal string: ClickHouse's UInt64 is wider than a JSON number. */
  readonly prompt_hash: string
  readonly input_preview: string
  readonly output_preview: string
}

/** How much of a body the row holds. `undecodable`: its content coding is broken or unknown. */
export type BodyState = 'stored' | 'truncated' | 'omitted' | 'none' | 'binary' | 'undecodable'

/** A line of JSONEachRow for the table `request_bodies`: exactly its columns. */
export interface BodiesRow {
  readonly tenant_id: string
  readonly ts: string
  readonly request_id: string
  readonly ver: number
  readonly retention_days: number
  readonly request_body: string
  readonly response_body: string
  readonly request_state: BodyState
  readonly response_state: BodyState
  readonly request_sha256: string
  readonly response_sha256: string
  /** Where the whole bodies lie, under the configured folder and without `.req` or `.res`; empty = nowhere. */
  readonly spill: string
  readonly request_headers: readonly (readonly [string, string])[]
  readonly response_headers: readonly (readonly [string, string])[]
}
