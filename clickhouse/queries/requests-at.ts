import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { pricedRows } from './priced-rows.js'
import { type RequestSummary, summaryColumns, summaryOf, type SummaryRow } from './request-summary.js'

/** Where a row lies: its id, and its time in milliseconds as the engine writes it. */
export interface StoredPlace {
  readonly id: string
  readonly atMs: string
}

/** The calls at these places, in their order, each once. A row that retention took meanwhile is left out. */
export const requestsAt = async (db: Db, tenant: TenantId, places: readonly StoredPlace[]): Promise<RequestSummary[]> => {
  if (places.length === 0) return []
  const times = places.map(({ atMs }) => Number(atMs))
  const from = new Date(Math.min(...times))
  const to = new Date(Math.max(...times) + 1)
  const rows = await db.rows<SummaryRow>(
    'requests-at',
    `SELECT ${summaryColumns} FROM ${await pricedRows(db, tenant, { from, to })}
    WHERE tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
    AND ts IN (SELECT fromUnixTimestamp64Milli(toInt64(arrayJoin({times:Array(String)})), 'UTC'))
    AND request_id IN (SELECT toUUID(arrayJoin({ids:Array(String)})))
    LIMIT 1 BY request_id`,
    {
      tenant,
      from,
      to,
      times: places.map(({ atMs }) => atMs),
      ids: places.map(({ id }) => id),
    },
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return [...new Set(places.map(({ id }) => id))].flatMap((id) => byId.get(id) ?? []).map(summaryOf)
}
