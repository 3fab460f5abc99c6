import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { pricedRows } from './priced-rows.js'
import { type RequestSummary, summaryColumns, summaryOf, type SummaryRow } from './request-summary.js'

interface StoredAttempt {
  readonly n: number
  readonly target: string
  readonly provider: string
  readonly model: string
  readonly status: number
  readonly error_kind: string
  readonly start_us: number
  readonly end_us: number
  readonly cost: string | null
}
interface StoredAttemptFacts {
  readonly n: number
  readonly replayed: boolean
  readonly input_tokens: number | null
  readonly output_tokens: number | null
}
interface StoredPassedOver {
  readonly target: string
  readonly reason: string
  readonly after: number
}
interface StoredCostLine {
  readonly unit: string
  readonly model: string
  readonly attempt: number
  readonly part: number
  readonly quantity: string
  readonly unit_price: string
  readonly per: number
  readonly multiplier: string
  readonly amount: string | null
  readonly origin: string
}

interface Facts {
  readonly serverAddress: string
  readonly parentSpanId: string
  readonly spanId: string
  readonly responseId: string
  readonly serviceTier: string
  readonly region: string
  readonly retentionDays: number
  readonly marksUs: Record<string, number>
  readonly overheadUs: number
  readonly guardrails: string[]
  readonly altered: string[]
  readonly warnings: string[]
  readonly promptId: string
  readonly promptVersion: string
  readonly priceFacts: Record<string, string>
  readonly attemptList: StoredAttempt[]
  /** Of those that something more is known of, by `n`. */
  readonly attemptFacts: StoredAttemptFacts[]
  readonly passedOver: StoredPassedOver[]
  readonly costLines: StoredCostLine[]
  readonly inputUsd: string | null
  readonly outputUsd: string | null
  readonly otherUsd: string | null
  readonly providerUsd: string | null
  readonly savedUsd: string | null
  /** Empty unless it was a hit. */
  readonly cachedFrom: string
  readonly savedTokens: number | null
  readonly savedMs: number
  readonly priceId: string
  readonly cacheWrite5mTokens: number | null
  readonly cacheWrite1hTokens: number | null
  readonly inputAudioTokens: number | null
  readonly outputAudioTokens: number | null
  readonly inputImageTokens: number | null
  readonly outputImageTokens: number | null
  readonly cacheReadAudioTokens: number | null
  readonly cacheReadImageTokens: number | null
  readonly usageExtra: Record<string, number>
  readonly usageNotes: string[]
  /** JSON: `[{"source":"...","json":"..."}]`, or empty. */
  readonly usageRaw: string
  readonly source: string
  readonly sourceOffset: string
  readonly requestBytes: string
  readonly responseBytes: string
}

export type StoredRequest = RequestSummary & Facts

const factColumns = `server_address AS serverAddress, parent_span_id AS parentSpanId, span_id AS spanId, response_id AS responseId,
  service_tier AS serviceTier, region, retention_days AS retentionDays, marks_us AS marksUs, overhead_us AS overheadUs, guardrails, altered,
  warnings, prompt_id AS promptId, prompt_version AS promptVersion, price_facts AS priceFacts, attempts AS attemptList,
  attempt_facts AS attemptFacts, passed_over AS passedOver,
  cost_lines AS costLines, toString(cost_input) AS inputUsd, toString(cost_output) AS outputUsd, toString(cost_other) AS otherUsd,
  toString(cost_provider) AS providerUsd, toString(cost_saved) AS savedUsd,
  if(cached_from = toUUID('00000000-0000-0000-0000-000000000000'), '', toString(cached_from)) AS cachedFrom,
  saved_tokens AS savedTokens, saved_ms AS savedMs, price_id AS priceId,
  cache_write_5m_tokens AS cacheWrite5mTokens, cache_write_1h_tokens AS cacheWrite1hTokens, input_audio_tokens AS inputAudioTokens,
  output_audio_tokens AS outputAudioTokens, input_image_tokens AS inputImageTokens, output_image_tokens AS outputImageTokens,
  cache_read_audio_tokens AS cacheReadAudioTokens, cache_read_image_tokens AS cacheReadImageTokens, usage_extra AS usageExtra,
  usage_notes AS usageNotes, usage_raw AS usageRaw, source, toString(source_offset) AS sourceOffset, req_bytes AS requestBytes,
  res_bytes AS responseBytes`

const dayMs = 86_400_000
/** A UUIDv7 begins with its time; rows imported with other ids may lie anywhere. */
const around = (id: string): { from: Date; to: Date } | null => {
  if (id[14] !== '7') return null
  const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  return ms < Date.UTC(2020, 0) || ms > Date.UTC(2200, 0) ? null : { from: new Date(ms - dayMs), to: new Date(ms + dayMs) }
}
const ever = { from: new Date(0), to: new Date(Date.UTC(2200, 0)) }

/** All that is known of one call; `null` when there is none of that id. Looked for around the time in the id, then everywhere. */
export const requestById = async (db: Db, tenant: TenantId, id: string): Promise<StoredRequest | null> => {
  for (const period of [around(id), ever]) {
    if (period === null) continue
    const [row] = await db.rows<SummaryRow & Facts>(
      'request-by-id',
      `SELECT ${summaryColumns}, ${factColumns} FROM ${await pricedRows(db, tenant, period)}
      WHERE tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')} AND request_id = {id:UUID}
      ORDER BY ver DESC LIMIT 1`,
      { tenant, id, ...period },
    )
    if (row !== undefined) return summaryOf(row) as StoredRequest
  }
  return null
}
