import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { pricedRows } from './priced-rows.js'
import { iso, type Period } from './scope.js'

/** Calls of one model whose cost is not known, for one reason. */
export interface UnpricedCalls {
  readonly provider: string
  readonly model: string
  /** `unknown_model`, `not_on_wire`, `lost` ... */
  readonly reason: string
  readonly requests: number
  /** Tokens told for them: what an override would price. */
  readonly tokens: number
  readonly firstAt: string
  readonly lastAt: string
}

/** Which calls have no price, and why? Over rows, most called first, at most 500 lines. */
export const unpricedCalls = async (db: Db, tenant: TenantId, period: Period): Promise<UnpricedCalls[]> => {
  const rows = await db.rows<{
    provider: string
    model: string
    reason: string
    calls: string
    used: string
    first: string
    last: string
  }>(
    'unpriced-calls',
    `SELECT provider, model, cost_reason AS reason, count() AS calls, sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS used,
      toUnixTimestamp64Milli(min(ts)) AS first, toUnixTimestamp64Milli(max(ts)) AS last
    FROM ${await pricedRows(db, tenant, period)}
    WHERE tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')} AND cost_status = 'unpriced'
    GROUP BY provider, model, reason ORDER BY calls DESC, provider, model, reason LIMIT 500`,
    { tenant, from: period.from, to: period.to },
  )
  return rows.map(({ provider, model, reason, calls, used, first, last }) => ({
    provider,
    model,
    reason,
    requests: Number(calls),
    tokens: Number(used),
    firstAt: iso(first),
    lastAt: iso(last),
  }))
}
