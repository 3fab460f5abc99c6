import type { Db } from '../../clickhouse/db.js'
import type { Exchange } from '../../core/exchange.js'
import type { TenantId } from '../../core/tenant.js'
import { responseKey, type Charge } from '../enrich/charges.js'
import type { Charged } from '../enrich/known.js'

/** A call that tells a usage which may have been charged before, and where it lies in its log. */
export interface Reading {
  readonly exchange: Exchange
  readonly at: number
}

/** How long providers keep a response to be read again, and more. */
const keptMs = 60 * 24 * 3_600_000

interface ChargedRow {
  readonly provider: string
  readonly responseId: string
  readonly requestId: string
  readonly usd: string
  readonly usageSource: string
  readonly source: string
  readonly at: string
  readonly ms: string
}

/**
 * Who was charged for these responses of one tenant? Rows of the last 60 days before each call, of its provider. Of the call's own
 * log only what lies before it counts: after a crash the range it stands in is cut again, and must find what it found the first time.
 *
 * @returns One list per reading, in order; a row may be in the batch at hand as well.
 */
export const chargesBefore = async (
  db: Pick<Db, 'rows'>,
  tenant: TenantId,
  partition: string,
  readings: readonly Reading[],
): Promise<readonly (readonly Charge[])[]> => {
  const starts = readings.map(({ exchange }) => Date.parse(exchange.startedAt))
  const rows = await db.rows<ChargedRow>(
    'charged-before',
    `SELECT provider, response_id AS responseId, toString(request_id) AS requestId, toString(any(cost_total)) AS usd,
       any(usage_source) AS usageSource, source, toString(source_offset) AS at, toString(toUnixTimestamp64Milli(min(ts))) AS ms
     FROM requests
     WHERE tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')}
       AND provider IN {providers:Array(String)} AND response_id IN {responses:Array(String)} AND cost_total > 0
     GROUP BY provider, response_id, request_id, source, source_offset
     ORDER BY min(ts), request_id LIMIT 32 BY provider, response_id`,
    {
      tenant,
      from: new Date(Math.min(...starts) - keptMs),
      providers: [...new Set(readings.map(({ exchange }) => exchange.provider))],
      responses: [...new Set(readings.flatMap(({ exchange }) => exchange.responseId ?? []))],
    },
  )
  const byResponse = new Map<string, ChargedRow[]>()
  for (const row of rows) {
    const key = responseKey({ tenant, ...row })
    const known = byResponse.get(key)
    if (known === undefined) byResponse.set(key, [row])
    else known.push(row)
  }
  return readings.map(({ exchange, at }, i) =>
    (byResponse.get(responseKey(exchange)) ?? [])
      .filter((row) => !(row.source === partition && Number(row.at) >= at) && Number(row.ms) >= (starts[i] as number) - keptMs)
      .map((row) => ({
        requestId: row.requestId,
        usd: row.usd,
        source: row.usageSource === 'estimated' ? ('estimated' as const) : ('wire' as const),
      })),
  )
}

/**
 * What the stored rows of these calls of one tenant say was charged before.
 *
 * @returns By request id; a call whose row says nothing, or that has no row, is not in it.
 */
export const storedVerdicts = async (
  db: Pick<Db, 'rows'>,
  tenant: TenantId,
  exchanges: readonly Exchange[],
): Promise<ReadonlyMap<string, Charged>> => {
  const starts = exchanges.map(({ startedAt }) => Date.parse(startedAt))
  const rows = await db.rows<{ readonly id: string; readonly usd: string; readonly source: string }>(
    'charged-verdicts',
    `SELECT toString(request_id) AS id, any(price_facts['charged_usd']) AS usd, any(price_facts['charged_source']) AS source
     FROM requests
     WHERE tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts <= {to:DateTime64(3, 'UTC')}
       AND request_id IN (SELECT toUUID(arrayJoin({ids:Array(String)})))
     GROUP BY request_id`,
    {
      tenant,
      from: new Date(Math.min(...starts)),
      to: new Date(Math.max(...starts)),
      ids: exchanges.map(({ id }) => id),
    },
  )
  const verdicts = new Map<string, Charged>()
  for (const { id, usd, source } of rows)
    if (usd !== '') verdicts.set(id, { usd, source: source === 'estimated' ? 'estimated' : 'wire' })
  return verdicts
}
