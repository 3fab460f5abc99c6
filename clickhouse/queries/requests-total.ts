import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { pricedRows } from './priced-rows.js'
import { type Scope, sums, within } from './scope.js'

export interface RequestsTotal {
  readonly requests: number
  readonly costUsd: string
  readonly unpriced: number
}

/** How many calls pass the filter, and what did they cost together? Over rows. */
export const requestsTotal = async (db: Db, tenant: TenantId, scope: Scope): Promise<RequestsTotal> => {
  const where = within(tenant, scope)
  const { n, cost, unpriced } = sums('rows')
  const [row] = await db.rows<{ calls: string; usd: string; unknown: string }>(
    'requests-total',
    `SELECT ${n} AS calls, toString(${cost}) AS usd, ${unpriced} AS unknown FROM ${await pricedRows(db, tenant, scope.period)} WHERE ${where.sql}`,
    where.params,
  )
  if (row === undefined) throw new Error('requests-total: no row of sums.')
  return { requests: Number(row.calls), costUsd: row.usd, unpriced: Number(row.unknown) }
}
