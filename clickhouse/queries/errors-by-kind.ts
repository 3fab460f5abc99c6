import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { tableOf } from './priced-rows.js'
import { iso, type Scope, sums, within } from './scope.js'

export interface ErrorsOfKind {
  readonly kind: string
  readonly requests: number
  readonly lastAt: string
  /** Most first. */
  readonly providers: readonly { readonly provider: string; readonly requests: number }[]
}

/** Which kinds of error did calls end in, and at which provider? Most first. */
export const errorsByKind = async (db: Db, tenant: TenantId, scope: Scope): Promise<ErrorsOfKind[]> => {
  const where = within(tenant, scope)
  const table = await tableOf(db, tenant, scope, 'r_model_1h')
  const { n, lastMs } = sums(scope.source)
  const rows = await db.rows<{ kind: string; provider: string; calls: string; last: string }>(
    'errors-by-kind',
    `SELECT error_kind AS kind, provider, ${n} AS calls, ${lastMs} AS last
    FROM ${table} WHERE ${where.sql} AND error_kind != ''
    GROUP BY kind, provider ORDER BY calls DESC, kind, provider LIMIT 1000`,
    where.params,
  )
  const kinds = new Map<string, (typeof rows)[number][]>()
  for (const row of rows) kinds.set(row.kind, [...(kinds.get(row.kind) ?? []), row])
  return [...kinds]
    .map(([kind, of]) => ({
      kind,
      requests: of.reduce((sum, { calls }) => sum + Number(calls), 0),
      lastAt: iso(String(Math.max(...of.map(({ last }) => Number(last))))),
      providers: of.map(({ provider, calls }) => ({ provider, requests: Number(calls) })),
    }))
    .sort((a, b) => b.requests - a.requests)
}
