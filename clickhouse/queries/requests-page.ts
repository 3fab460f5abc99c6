import type { TenantId } from '../../core/tenant.js'
import type { Db, Params } from '../db.js'
import { type RequestSummary, summaryColumns, summaryOf, type SummaryRow } from './request-summary.js'
import { type Scope, within } from './scope.js'

export type SortKey = 'at' | 'cost' | 'latency' | 'first_chunk' | 'tokens'

/** The place after a row: its value of the sort key, time and id. `value` is empty for the sort by time. */
export interface Place {
  readonly value: string
  readonly atMs: number
  readonly id: string
}

export interface PageQuestion {
  /** Over rows. */
  readonly scope: Scope
  readonly sort: SortKey
  readonly direction: 'up' | 'down'
  readonly after: Place | null
  /** At most 500. */
  readonly limit: number
}

export interface RequestsPage {
  readonly rows: readonly RequestSummary[]
  /** `null` = this was the last page. */
  readonly next: Place | null
}

interface KeySql {
  readonly of: string
  readonly bound: string
}
/** Not known sorts as less than 0. */
const keySql: Record<Exclude<SortKey, 'at'>, KeySql> = {
  cost: { of: 'ifNull(cost_total, toDecimal64(-1, 12))', bound: 'toDecimal64({afterValue:String}, 12)' },
  latency: { of: 'ifNull(toInt64(total_ms), -1)', bound: '{afterValue:Int64}' },
  first_chunk: { of: 'ifNull(toInt64(time_to_first_chunk_ms), -1)', bound: '{afterValue:Int64}' },
  tokens: { of: 'ifNull(toInt64(input_tokens + output_tokens), -1)', bound: '{afterValue:Int64}' },
}

const afterSql = ({ sort, direction, after }: PageQuestion): { readonly sql: string; readonly params: Params } => {
  if (after === null) return { sql: '1', params: {} }
  const than = direction === 'down' ? '<' : '>'
  const time = "{afterAt:DateTime64(3, 'UTC')}"
  const params = { afterAt: new Date(after.atMs), afterId: after.id }
  // The plain bound on ts lets the engine pass over whole blocks, which the tuple alone does not.
  if (sort === 'at') return { sql: `ts ${than}= ${time} AND (ts, request_id) ${than} (${time}, {afterId:UUID})`, params }
  const { of, bound } = keySql[sort]
  return {
    sql: `(${of}, ts, request_id) ${than} (${bound}, ${time}, {afterId:UUID})`,
    params: { ...params, afterValue: after.value },
  }
}

/** By time in the order of the table's key, so that the engine reads backwards and stops. */
const orderSql = ({ sort, direction }: PageQuestion): string => {
  const way = direction === 'down' ? 'DESC' : 'ASC'
  const first = sort === 'at' ? 'toStartOfHour(ts)' : keySql[sort].of
  return [first, 'ts', 'request_id'].map((column) => `${column} ${way}`).join(', ')
}

/** Which calls were made? A page of them, each once, without gaps from page to page. */
export const requestsPage = async (db: Db, tenant: TenantId, question: PageQuestion): Promise<RequestsPage> => {
  const where = within(tenant, question.scope)
  const after = afterSql(question)
  const limit = Math.min(question.limit, 500)
  const sortValue = question.sort === 'at' ? "''" : `toString(${keySql[question.sort].of})`
  const rows = await db.rows<SummaryRow & { readonly sortValue: string }>(
    'requests-page',
    `SELECT ${summaryColumns}, ${sortValue} AS sortValue
    FROM requests WHERE ${where.sql} AND ${after.sql}
    ORDER BY ${orderSql(question)} LIMIT 1 BY request_id LIMIT {limit:UInt32}`,
    { ...where.params, ...after.params, limit: limit + 1 },
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    rows: page.map(({ sortValue: _, ...row }) => summaryOf(row)),
    next: rows.length > limit && last !== undefined ? { value: last.sortValue, atMs: Number(last.atMs), id: last.id } : null,
  }
}
