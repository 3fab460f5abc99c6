import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'

/** The last position stored of each log. Positions of one log grow, and ingest stores them in order: what lies behind is new. */
export type Heads = ReadonlyMap<string, bigint>

/** How far has each log been stored? Of calls that began at `since` or later. */
export const arrivals = async (db: Db, tenant: TenantId, since: Date): Promise<Heads> => {
  const rows = await db.rows<{ source: string; head: string }>(
    'arrivals',
    `SELECT source, toString(max(source_offset)) AS head FROM requests
    WHERE tenant_id = {tenant:String} AND ts >= {since:DateTime64(3, 'UTC')} GROUP BY source ORDER BY source LIMIT 10000`,
    { tenant, since },
  )
  return new Map(rows.map(({ source, head }) => [source, BigInt(head)]))
}
