import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import type { Period, Scope } from './scope.js'

const between = "tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}"

/** `requests` as they stand after re-pricing. Has the parameters that `within` binds: tenant, from, to. */
const adjusted = `(
  SELECT r.* EXCEPT (cost_total, cost_status, cost_reason, price_id), r.kv AS kv, r.span_id AS span_id,
    if(a.n > 0, if(a.cost_status = 'unpriced', NULL, toDecimal64(ifNull(r.cost_total, 0) + a.delta, 12)), r.cost_total) AS cost_total,
    if(a.n > 0, a.cost_status, r.cost_status) AS cost_status, if(a.n > 0, 'repriced', r.cost_reason) AS cost_reason,
    if(a.n > 0, a.price_id, r.price_id) AS price_id
  FROM requests AS r
  LEFT JOIN (
    SELECT request_id, count() AS n, sum(delta) AS delta, argMax(cost_status, at) AS cost_status, argMax(price_id, at) AS price_id
    FROM cost_adjustments WHERE ${between} GROUP BY request_id
  ) AS a ON r.request_id = a.request_id
  WHERE ${between.replaceAll('tenant_id', 'r.tenant_id').replaceAll(' ts', ' r.ts')}
)`

/**
 * The table of calls for a period, with the costs of now: `requests` itself, unless some of its calls were priced again. The join costs
 * a read of every id, so it is made only where there is something to join.
 *
 * @returns SQL for a FROM. The question binds `tenant`, `from` and `to`, as `within` does.
 */
export const pricedRows = async (db: Db, tenant: TenantId, { from, to }: Period): Promise<string> => {
  const found = await db.rows('any-adjustment', `SELECT 1 AS one FROM cost_adjustments WHERE ${between} LIMIT 1`, {
    tenant,
    from,
    to,
  })
  return found.length > 0 ? adjusted : 'requests'
}

/** Where a question reads: rows with the costs of now, or the roll-up, whose sums are kept up with every re-pricing. */
export const tableOf = async (db: Db, tenant: TenantId, { source, period }: Scope, rollup: string): Promise<string> =>
  source === 'rows' ? await pricedRows(db, tenant, period) : rollup
