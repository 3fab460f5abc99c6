import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'

/** Which properties were set since then? Most used first, at most 200. */
export const propertyKeys = async (db: Db, tenant: TenantId, since: Date): Promise<string[]> => {
  const rows = await db.rows<{ name: string }>(
    'property-keys',
    `SELECT toString(key) AS name, sum(n) AS used FROM r_prop_1d WHERE tenant_id = {tenant:String} AND day >= {since:Date}
    GROUP BY name ORDER BY used DESC, name LIMIT 200`,
    { tenant, since },
  )
  return rows.map(({ name }) => name)
}
