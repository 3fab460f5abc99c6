import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { tableOf } from './priced-rows.js'
import { type Scope, sums, within } from './scope.js'

export interface UnpricedModel {
  readonly provider: string
  readonly model: string
  readonly requests: number
}

/** Which models have calls without a price? Most called first, at most 50. */
export const unpricedModels = async (db: Db, tenant: TenantId, scope: Scope): Promise<UnpricedModel[]> => {
  const where = within(tenant, scope)
  const table = await tableOf(db, tenant, scope, 'r_model_1h')
  const rows = await db.rows<{ provider: string; model: string; calls: string }>(
    'unpriced-models',
    `SELECT provider, model, ${sums(scope.source).unpriced} AS calls
    FROM ${table} WHERE ${where.sql}
    GROUP BY provider, model HAVING calls > 0 ORDER BY calls DESC, provider, model LIMIT 50`,
    where.params,
  )
  return rows.map(({ provider, model, calls }) => ({ provider, model, requests: Number(calls) }))
}
