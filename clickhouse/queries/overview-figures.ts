import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'
import { tableOf } from './priced-rows.js'
import { type Scope, sums, within } from './scope.js'

export interface OverviewFigures {
  readonly costUsd: string
  readonly requests: number
  readonly errors: number
  readonly errorRate: number | null
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p95FirstChunkMs: number | null
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadTokens: number
  readonly cacheHits: number
  readonly cacheHitRate: number | null
  readonly savedUsd: string
  readonly savedMs: number
  readonly unpriced: number
  readonly estimated: number
}

/** Latency is that of calls that went well (storage.md §6, question 6): a refusal in 1 ms would flatter it, a stall would hide it. */
const good = "outcome = 'complete' AND error_kind = ''"

const columnsOf = (source: Scope['source']): Record<string, string> =>
  source === 'rows'
    ? {
        estimatedRows: "countIf(usage_source = 'estimated')",
        inputTokens: 'sum(ifNull(input_tokens, 0))',
        outputTokens: 'sum(ifNull(output_tokens, 0))',
        cacheReadTokens: 'sum(ifNull(cache_read_tokens, 0))',
        savedMs: 'sum(saved_ms)',
        savedUsd: 'toString(sum(ifNull(cost_saved, 0)))',
        cacheHits: "countIf(outcome = 'cached')",
        total: `quantilesTDigestIf(0.5, 0.95)(assumeNotNull(total_ms), isNotNull(total_ms) AND ${good})`,
        first: `quantilesTDigestIf(0.5, 0.95)(assumeNotNull(time_to_first_chunk_ms), isNotNull(time_to_first_chunk_ms) AND ${good})`,
      }
    : {
        estimatedRows: 'sum(estimated)',
        inputTokens: 'sum(input_tokens)',
        outputTokens: 'sum(output_tokens)',
        cacheReadTokens: 'sum(cache_read_tokens)',
        savedMs: 'sum(saved_ms)',
        savedUsd: 'toString(sum(saved))',
        cacheHits: "sumIf(n, outcome = 'cached')",
        total: `quantilesTDigestMergeIf(0.5, 0.95, 0.99)(total_q, ${good})`,
        first: `quantilesTDigestMergeIf(0.5, 0.95, 0.99)(first_q, ${good})`,
      }

interface Row {
  readonly costUsd: string
  readonly savedUsd: string
  readonly total: readonly (number | null)[]
  readonly first: readonly (number | null)[]
  readonly [count: string]: unknown
}

/** What happened in a period, in one row of figures. */
export const overviewFigures = async (db: Db, tenant: TenantId, scope: Scope): Promise<OverviewFigures> => {
  const where = within(tenant, scope)
  const table = await tableOf(db, tenant, scope, 'r_model_1h')
  const { n, errors, unpriced, cost } = sums(scope.source)
  const columns = {
    ...columnsOf(scope.source),
    requests: n,
    failed: errors,
    unpricedRows: unpriced,
    costUsd: `toString(${cost})`,
  }
  const [row] = await db.rows<Row>(
    'overview-figures',
    `SELECT ${Object.entries(columns)
      .map(([name, sql]) => `${sql} AS ${name}`)
      .join(', ')}
    FROM ${table} WHERE ${where.sql}`,
    where.params,
  )
  if (row === undefined) throw new Error('overview-figures: no row of sums.')
  const count = (name: string): number => Number(row[name])
  const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)
  const requests = count('requests')
  return {
    costUsd: row.costUsd,
    requests,
    errors: count('failed'),
    errorRate: share(count('failed'), requests),
    p50Ms: row.total[0] ?? null,
    p95Ms: row.total[1] ?? null,
    p95FirstChunkMs: row.first[1] ?? null,
    inputTokens: count('inputTokens'),
    outputTokens: count('outputTokens'),
    cacheReadTokens: count('cacheReadTokens'),
    cacheHits: count('cacheHits'),
    cacheHitRate: share(count('cacheHits'), requests),
    savedUsd: row.savedUsd,
    savedMs: count('savedMs'),
    unpriced: count('unpricedRows'),
    estimated: count('estimatedRows'),
  }
}
