import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { tableOf } from './priced-rows.js'
import { type Scope, sums, within } from './scope.js'

export interface PeriodTotals {
  readonly costUsd: string
  readonly requests: number
  readonly errors: number
  readonly unpriced: number
}

/** How many calls, and what they cost together: the base of shares. The scope is one made for `rollups.model`. */
export const periodTotals = async (db: Db, tenant: TenantId, scope: Scope): Promise<PeriodTotals> => {
  const where = within(tenant, scope)
  const table = await tableOf(db, tenant, scope, 'r_model_1h')
  const { n, errors, unpriced, cost } = sums(scope.source)
  const [row] = await db.rows<{ usd: string; calls: string; failed: string; unknown: string }>(
    'period-totals',
    `SELECT toString(${cost}) AS usd, ${n} AS calls, ${errors} AS failed, ${unpriced} AS unknown
    FROM ${table} WHERE ${where.sql}`,
    where.params,
  )
  if (row === undefined) throw new Error('period-totals: no row of sums.')
  return { costUsd: row.usd, requests: Number(row.calls), errors: Number(row.failed), unpriced: Number(row.unknown) }
}
