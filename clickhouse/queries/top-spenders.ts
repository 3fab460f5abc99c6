import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { tableOf } from './priced-rows.js'
import { iso, type Rollup, rollups, type Scope, sums, within } from './scope.js'

export type SpenderKind = 'user' | 'session' | 'model' | 'property'

export interface Spender {
  /** Empty = not set. */
  readonly key: string
  /** Of a session. */
  readonly name: string | null
  /** Of a model. */
  readonly provider: string | null
  readonly costUsd: string
  readonly requests: number
  readonly errors: number
  readonly tokens: number
  readonly unpriced: number
  readonly lastAt: string
}

interface Side {
  readonly key: string
  readonly name: string
  readonly provider: string
  readonly only: string
}

/** How each kind is told apart, in rows and in its roll-up. A property's values over 128 characters are in no roll-up, so rows leave them out too. */
const sides: Record<SpenderKind, { readonly rollup: Rollup; readonly rows: Side; readonly rolled: Side }> = {
  user: {
    rollup: rollups.user,
    rows: { key: 'user_id', name: "''", provider: "''", only: '1' },
    rolled: { key: 'user_id', name: "''", provider: "''", only: '1' },
  },
  session: {
    rollup: rollups.session,
    rows: { key: 'session_id', name: 'argMax(session_name, ts)', provider: "''", only: "session_id != ''" },
    rolled: { key: 'session_id', name: 'anyLast(name)', provider: "''", only: '1' },
  },
  model: {
    rollup: rollups.model,
    rows: { key: 'model', name: "''", provider: 'provider', only: '1' },
    rolled: { key: 'model', name: "''", provider: 'provider', only: '1' },
  },
  property: {
    rollup: rollups.property,
    rows: {
      key: 'properties[{property:String}]',
      name: "''",
      provider: "''",
      only: 'mapContains(properties, {property:String}) AND length(properties[{property:String}]) <= 128',
    },
    rolled: { key: 'value', name: "''", provider: "''", only: 'key = {property:String}' },
  },
}

/** The roll-up that answers for a kind: what `scopeOf` is to be given. */
export const rollupOfSpender = (kind: SpenderKind): Rollup => sides[kind].rollup

/**
 * Who or what cost most? Dearest first, then most called.
 *
 * @param property Key of the property, for that kind alone.
 * @param limit At most 1,000.
 */
export const topSpenders = async (
  db: Db,
  tenant: TenantId,
  { scope, kind, property, limit }: { scope: Scope; kind: SpenderKind; property: string; limit: number },
): Promise<Spender[]> => {
  const where = within(tenant, scope)
  const { rollup, rows: rowSide, rolled } = sides[kind]
  const side = scope.source === 'rows' ? rowSide : rolled
  const table = await tableOf(db, tenant, scope, rollup.table)
  const { n, errors, unpriced, tokens, cost, lastMs } = sums(scope.source)
  const rows = await db.rows<{
    spender: string
    title: string
    at: string
    usd: string
    calls: string
    failed: string
    used: string
    unknown: string
    last: string
  }>(
    `top-${kind}`,
    `SELECT ${side.key} AS spender, ${side.provider} AS at, ${side.name} AS title, toString(${cost}) AS usd, ${n} AS calls,
      ${errors} AS failed, ${tokens} AS used, ${unpriced} AS unknown, ${lastMs} AS last
    FROM ${table} WHERE ${where.sql} AND ${side.only}
    GROUP BY spender, at ORDER BY ${cost} DESC, calls DESC, spender LIMIT {limit:UInt32}`,
    { ...where.params, limit: Math.min(limit, 1000), ...(kind === 'property' ? { property } : {}) },
  )
  return rows.map((row) => ({
    key: row.spender,
    name: kind === 'session' ? row.title : null,
    provider: kind === 'model' ? row.at : null,
    costUsd: row.usd,
    requests: Number(row.calls),
    errors: Number(row.failed),
    tokens: Number(row.used),
    unpriced: Number(row.unknown),
    lastAt: iso(row.last),
  }))
}
