import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'

/** Was any call ever stored? */
export const anyRequest = async (db: Db, tenant: TenantId): Promise<boolean> =>
  (await db.rows('any-request', 'SELECT 1 AS one FROM requests WHERE tenant_id = {tenant:String} LIMIT 1', { tenant })).length > 0
