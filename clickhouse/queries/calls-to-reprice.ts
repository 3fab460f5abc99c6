import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { pricedRows } from './priced-rows.js'
import type { Period } from './scope.js'

/** A stored call with all that decides its price, and what it costs as of now. Decimals are strings, tokens `null` = not told. */
export interface BookedCall {
  readonly id: string
  readonly atMs: string
  readonly provider: string
  readonly api: string
  readonly endpoint: string
  readonly outcome: string
  readonly errorKind: string
  readonly status: number
  readonly requestModel: string
  readonly responseModel: string
  readonly model: string
  readonly serverAddress: string
  readonly userId: string
  readonly keyId: string
  readonly sessionId: string
  readonly sessionName: string
  readonly properties: Readonly<Record<string, string>>
  readonly attempts: readonly {
    readonly target: string
    readonly provider: string
    readonly model: string
    readonly status: number
    readonly error_kind: string
    readonly cost: string | null
  }[]
  readonly priceFacts: Readonly<Record<string, string>>
  readonly costUsd: string | null
  readonly costStatus: string
  readonly costReason: string
  readonly providerUsd: string | null
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cacheReadTokens: number | null
  readonly cacheWriteTokens: number | null
  readonly cacheWrite5mTokens: number | null
  readonly cacheWrite1hTokens: number | null
  readonly reasoningTokens: number | null
  readonly inputAudioTokens: number | null
  readonly outputAudioTokens: number | null
  readonly inputImageTokens: number | null
  readonly outputImageTokens: number | null
  readonly cacheReadAudioTokens: number | null
  readonly cacheReadImageTokens: number | null
  readonly usageExtra: Readonly<Record<string, number>>
  readonly usageSource: string
  readonly usageReason: string
  readonly usageNotes: readonly string[]
  readonly usageRaw: string
  readonly serviceTier: string
  readonly region: string
}

/** The last call that was looked at. */
export interface CallPlace {
  readonly atMs: number
  readonly id: string
}

export interface RepriceScope extends Period {
  /** As on the rows; `null` = every model. */
  readonly model: string | null
}

const scopeSql = `tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
    AND ({model:String} = '' OR model = {model:String})`

/** Whose calls lie in the period? A chore for the whole installation goes tenant by tenant. */
export const tenantsIn = async (db: Db, { from, to }: Period): Promise<readonly TenantId[]> =>
  (
    await db.rows<{ tenant: TenantId }>(
      'tenants-in-period',
      `SELECT DISTINCT toString(tenant_id) AS tenant FROM requests
      WHERE ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')} ORDER BY tenant`,
      { from, to },
    )
  ).map(({ tenant }) => tenant)

/** How many calls will be looked at? */
export const countCalls = async (db: Db, tenant: TenantId, { from, to, model }: RepriceScope): Promise<number> => {
  const [row] = await db.rows<{ n: string }>(
    'calls-to-reprice-count',
    `SELECT toString(uniqExact(request_id)) AS n FROM requests WHERE ${scopeSql}`,
    { tenant, from, to, model: model ?? '' },
  )
  return Number(row?.n ?? 0)
}

/** The next calls in the order of the table, each once, with the costs of now. */
export const callsToReprice = async (
  db: Db,
  tenant: TenantId,
  { from, to, model }: RepriceScope,
  after: CallPlace | null,
  limit: number,
): Promise<readonly BookedCall[]> => {
  const start = after === null ? from : new Date(after.atMs)
  const behind = after === null ? '1' : "(ts, request_id) > ({afterAt:DateTime64(3, 'UTC')}, {afterId:UUID})"
  const table = await pricedRows(db, tenant, { from: start, to })
  return await db.rows<BookedCall>(
    'calls-to-reprice',
    `SELECT toString(request_id) AS id, toUnixTimestamp64Milli(ts) AS atMs, provider, api, endpoint, outcome, error_kind AS errorKind, status,
      request_model AS requestModel, response_model AS responseModel, model, server_address AS serverAddress, user_id AS userId,
      key_id AS keyId, session_id AS sessionId, session_name AS sessionName, properties, attempts, price_facts AS priceFacts,
      toString(cost_total) AS costUsd, cost_status AS costStatus, cost_reason AS costReason,
      toString(cost_provider) AS providerUsd, input_tokens AS inputTokens, output_tokens AS outputTokens,
      cache_read_tokens AS cacheReadTokens, cache_write_tokens AS cacheWriteTokens, cache_write_5m_tokens AS cacheWrite5mTokens,
      cache_write_1h_tokens AS cacheWrite1hTokens, reasoning_tokens AS reasoningTokens, input_audio_tokens AS inputAudioTokens,
      output_audio_tokens AS outputAudioTokens, input_image_tokens AS inputImageTokens, output_image_tokens AS outputImageTokens,
      cache_read_audio_tokens AS cacheReadAudioTokens, cache_read_image_tokens AS cacheReadImageTokens, usage_extra AS usageExtra,
      usage_source AS usageSource, usage_reason AS usageReason, usage_notes AS usageNotes, usage_raw AS usageRaw,
      service_tier AS serviceTier, region
    FROM ${table} WHERE ${scopeSql} AND ${behind}
    ORDER BY ts, request_id LIMIT 1 BY request_id LIMIT {limit:UInt32}`,
    { tenant, from: start, to, model: model ?? '', limit, ...(after === null ? {} : { afterAt: start, afterId: after.id }) },
  )
}
