import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'

export interface FilterValues {
  readonly provider: string[]
  readonly model: string[]
  readonly outcome: string[]
  readonly error_kind: string[]
}

/** Which providers, models, outcomes and kinds of error were seen since then? At most 500 each, sorted. */
export const filterValues = async (db: Db, tenant: TenantId, since: Date): Promise<FilterValues> => {
  const list = (column: string): string => `arraySort(groupUniqArray(500)(toString(${column}))) AS ${column}s`
  const [row] = await db.rows<{ providers: string[]; models: string[]; outcomes: string[]; error_kinds: string[] }>(
    'filter-values',
    `SELECT ${['provider', 'model', 'outcome', 'error_kind'].map(list).join(', ')}
    FROM r_model_1h WHERE tenant_id = {tenant:String} AND hour >= {since:DateTime('UTC')}`,
    { tenant, since },
  )
  return {
    provider: row?.providers ?? [],
    model: row?.models ?? [],
    outcome: row?.outcomes ?? [],
    error_kind: row?.error_kinds ?? [],
  }
}
