import type { Filter } from '../../core/filter.js'
import type { TenantId } from '../../core/tenant.js'
import type { Db, Params } from '../db.js'
import { filterSql } from './filter-sql.js'
import type { RequestSummary } from './request-summary.js'
import { requestsAt, type StoredPlace } from './requests-at.js'

/** A stretch of one log: behind `after`, up to and with `upTo`. `after` is `null` for a log that was never seen. */
export interface Stretch {
  readonly source: string
  readonly after: bigint | null
  readonly upTo: bigint
}

export interface Arrived {
  /** Newest last. */
  readonly rows: readonly RequestSummary[]
  readonly total: number
}

/** Which calls lie in these stretches and pass the filter? The newest `limit` of them, and how many there are. */
export const arrivedRequests = async (
  db: Db,
  tenant: TenantId,
  { since, stretches, filter, limit }: { since: Date; stretches: readonly Stretch[]; filter: Filter | null; limit: number },
): Promise<Arrived> => {
  const condition = filterSql(filter)
  const params: Record<string, Params[string]> = { tenant, since, limit, ...condition.params }
  const inStretch = stretches.map(({ source, after, upTo }, i) => {
    params[`s${String(i)}`] = source
    params[`b${String(i)}`] = upTo
    if (after !== null) params[`a${String(i)}`] = after
    const behind = after === null ? '' : `source_offset > {a${String(i)}:UInt64} AND `
    return `(source = {s${String(i)}:String} AND ${behind}source_offset <= {b${String(i)}:UInt64})`
  })
  const places = await db.rows<StoredPlace & { readonly total: string }>(
    'arrived-requests',
    `SELECT toString(request_id) AS id, toUnixTimestamp64Milli(ts) AS atMs, uniqExact(request_id) OVER () AS total FROM requests
    WHERE tenant_id = {tenant:String} AND ts >= {since:DateTime64(3, 'UTC')} AND (${inStretch.join(' OR ')}) AND ${condition.sql}
    ORDER BY ts DESC, request_id DESC LIMIT {limit:UInt32}`,
    params,
  )
  return { rows: (await requestsAt(db, tenant, places)).reverse(), total: Number(places[0]?.total ?? 0) }
}
