import type { TenantId } from '../../core/tenant.js'
import type { Db, Params } from '../db.js'
import { tableOf } from './priced-rows.js'
import { type Rollup, rollups, type Scope, sums, within } from './scope.js'
import { sumUsd } from './usd.js'

export type Metric = 'cost' | 'requests' | 'latency' | 'first_chunk' | 'errors' | 'tokens'
export type Group = 'none' | 'model' | 'provider' | 'user' | 'outcome' | 'error_kind' | 'property'

export interface SeriesQuestion {
  readonly scope: Scope
  readonly metric: Metric
  readonly group: Group
  /** Key of the property, for that group alone. */
  readonly property: string
  readonly stepSeconds: number
}
export interface Line {
  readonly key: string
  /** The sum of all groups beyond the greatest ones. */
  readonly rest: boolean
  readonly total: string | number | null
  readonly values: readonly (string | number | null)[]
}
export interface SeriesAnswer {
  readonly times: readonly string[]
  readonly lines: readonly Line[]
}

/** Lines drawn apart; what is beyond them is summed into one. */
export const maxLines = 12
/** 13 lines of it stay under the 10,000 rows a question may have. */
export const maxSteps = 700

const isLatency = (metric: Metric): metric is 'latency' | 'first_chunk' => metric === 'latency' || metric === 'first_chunk'

/** The roll-up that answers, `null` when only rows can: what `scopeOf` is to be given. */
export const rollupOfSeries = (metric: Metric, group: Group): Rollup | null => {
  if (group !== 'user' && group !== 'property') return rollups.model
  return isLatency(metric) ? null : rollups[group]
}

const keys: Record<
  Group,
  { readonly rows: string; readonly rolled: string; readonly onlyRows: string; readonly onlyRolled: string }
> = {
  none: { rows: "''", rolled: "''", onlyRows: '1', onlyRolled: '1' },
  model: { rows: 'model', rolled: 'model', onlyRows: '1', onlyRolled: '1' },
  provider: { rows: 'provider', rolled: 'provider', onlyRows: '1', onlyRolled: '1' },
  outcome: { rows: 'outcome', rolled: 'outcome', onlyRows: '1', onlyRolled: '1' },
  error_kind: { rows: 'error_kind', rolled: 'error_kind', onlyRows: "error_kind != ''", onlyRolled: "error_kind != ''" },
  user: { rows: 'user_id', rolled: 'user_id', onlyRows: '1', onlyRolled: '1' },
  property: {
    rows: 'properties[{property:String}]',
    rolled: 'value',
    onlyRows: 'mapContains(properties, {property:String}) AND length(properties[{property:String}]) <= 128',
    onlyRolled: 'key = {property:String}',
  },
}

const bucketSql: Record<Scope['source'], string> = {
  rows: 'intDiv(toUnixTimestamp(ts), {step:UInt32}) * {step:UInt32}',
  hours: 'intDiv(toUnixTimestamp(hour), {step:UInt32}) * {step:UInt32}',
  days: "intDiv(toUnixTimestamp(toDateTime(day, 'UTC')), {step:UInt32}) * {step:UInt32}",
}

const good = "outcome = 'complete' AND error_kind = ''"
const quantiles = (metric: 'latency' | 'first_chunk', rows: boolean): string => {
  const column = metric === 'latency' ? 'total_ms' : 'time_to_first_chunk_ms'
  return rows
    ? `quantilesTDigestIf(0.5, 0.95, 0.99)(assumeNotNull(${column}), isNotNull(${column}) AND ${good})`
    : `quantilesTDigestMergeIf(0.5, 0.95, 0.99)(${metric === 'latency' ? 'total_q' : 'first_q'}, ${good})`
}

const timesOf = ({ scope, stepSeconds }: SeriesQuestion): number[] => {
  const first = Math.floor(scope.period.from.getTime() / 1000 / stepSeconds) * stepSeconds
  const times: number[] = []
  for (let t = first; t * 1000 < scope.period.to.getTime(); t += stepSeconds) times.push(t)
  return times
}

interface Plan {
  readonly key: string
  readonly from: string
  readonly where: string
  readonly bucket: string
  readonly params: Params
}

const planOf = async (
  db: Db,
  tenant: TenantId,
  { scope, metric, group, property, stepSeconds }: SeriesQuestion,
): Promise<Plan> => {
  const rows = scope.source === 'rows'
  const where = within(tenant, scope)
  const side = keys[group]
  return {
    key: rows ? side.rows : side.rolled,
    from: await tableOf(db, tenant, scope, (rollupOfSeries(metric, group) ?? rollups.model).table),
    where: `${where.sql} AND ${rows ? side.onlyRows : side.onlyRolled}`,
    bucket: bucketSql[scope.source],
    params: { ...where.params, step: stepSeconds, ...(group === 'property' ? { property } : {}) },
  }
}

/** Groups by time; those beyond the greatest ones share one line. */
const grouped = ({ key, from, where, bucket }: Plan, measure: string, rank: string): string => `
  WITH greatest AS (SELECT ${key} AS k FROM ${from} WHERE ${where} GROUP BY k ORDER BY ${rank} DESC, k LIMIT ${String(maxLines)})
  SELECT ${bucket} AS t, ${key} IN (SELECT k FROM greatest) AS named, if(named, ${key}, '') AS line, ${measure} AS v
  FROM ${from} WHERE ${where} GROUP BY t, named, line ORDER BY t`

interface GroupedRow<V> {
  readonly t: string
  readonly named: number
  readonly line: string
  readonly v: V
}

const linesOf = <V>(rows: readonly GroupedRow<V>[]): { key: string; rest: boolean; found: Map<number, V> }[] => {
  const lines = new Map<string, { key: string; rest: boolean; found: Map<number, V> }>()
  for (const { t, named, line, v } of rows) {
    const id = `${String(named)}${line}`
    const of = lines.get(id) ?? { key: line, rest: named === 0, found: new Map<number, V>() }
    of.found.set(Number(t), v)
    lines.set(id, of)
  }
  return [...lines.values()]
}

const size = (total: string | number | null): number => Number(total ?? 0)
/** Greatest first, the rest last. Only the order is worked out in floats. */
const inOrder = (lines: readonly Line[]): Line[] =>
  [...lines].sort((a, b) => Number(a.rest) - Number(b.rest) || size(b.total) - size(a.total) || (a.key < b.key ? -1 : 1))

const latencyLines = async (
  db: Db,
  plan: Plan,
  question: SeriesQuestion,
  metric: 'latency' | 'first_chunk',
  times: readonly number[],
) => {
  const rows = question.scope.source === 'rows'
  const found = await db.rows<GroupedRow<(number | null)[]>>(
    'series-latency',
    grouped(plan, quantiles(metric, rows), sums(question.scope.source).n),
    plan.params,
  )
  const named = linesOf(found).filter(({ rest }) => !rest)
  const line = (key: string, values: ReadonlyMap<number, (number | null)[]>, at: number): Line => ({
    key,
    rest: false,
    total: null,
    values: times.map((t) => values.get(t)?.[at] ?? null),
  })
  if (question.group !== 'none') return named.map(({ key, found: of }) => line(key, of, 1))
  const all = named[0]?.found ?? new Map<number, (number | null)[]>()
  return ['p50', 'p95', 'p99'].map((key, at) => line(key, all, at))
}

const costLines = async (db: Db, plan: Plan, { scope }: SeriesQuestion, times: readonly number[]): Promise<Line[]> => {
  const { cost } = sums(scope.source)
  const found = await db.rows<GroupedRow<string>>('series-cost', grouped(plan, `toString(${cost})`, cost), plan.params)
  return linesOf(found).map(({ key, rest, found: of }) => ({
    key,
    rest,
    total: sumUsd([...of.values()]),
    values: times.map((t) => of.get(t) ?? '0'),
  }))
}

const countLines = async (db: Db, plan: Plan, measure: string, times: readonly number[]): Promise<Line[]> => {
  const found = await db.rows<GroupedRow<string>>('series-count', grouped(plan, measure, measure), plan.params)
  return linesOf(found).map(({ key, rest, found: of }) => {
    const values = times.map((t) => Number(of.get(t) ?? 0))
    return { key, rest, total: values.reduce((sum, value) => sum + value, 0), values }
  })
}

const tokenSum = (column: string, rows: boolean): string => (rows ? `sum(ifNull(${column}, 0))` : `sum(${column})`)

const linesFor = async (db: Db, plan: Plan, question: SeriesQuestion, times: readonly number[]): Promise<Line[]> => {
  const { metric, group, scope } = question
  const { n, errors, tokens } = sums(scope.source)
  const named = (lines: readonly Line[], key: string): Line => ({
    ...(lines[0] ?? { rest: false, total: 0, values: times.map(() => 0) }),
    key,
  })
  if (isLatency(metric)) return latencyLines(db, plan, question, metric, times)
  if (metric === 'cost') {
    const lines = await costLines(db, plan, question, times)
    return group === 'none'
      ? [{ ...(lines[0] ?? { rest: false, total: '0', values: times.map(() => '0') }), key: 'cost' }]
      : lines
  }
  if (metric === 'tokens' && group === 'none') {
    const side = (column: string) => countLines(db, plan, tokenSum(column, scope.source === 'rows'), times)
    return [named(await side('input_tokens'), 'input'), named(await side('output_tokens'), 'output')]
  }
  const lines = await countLines(db, plan, { requests: n, errors, tokens }[metric], times)
  return group === 'none' ? [named(lines, metric)] : lines.filter(({ total }) => total !== 0)
}

/**
 * How did a figure go over time, by group? One value per step, gaps filled: sums with 0, latencies with `null`. Greatest group
 * first, at most `maxLines` of them and one for the rest (latencies have none: quantiles do not add up).
 *
 * @param question Its scope made by `scopeOf` with `rollupOfSeries`; at most `maxSteps` steps.
 */
export const series = async (db: Db, tenant: TenantId, question: SeriesQuestion): Promise<SeriesAnswer> => {
  const times = timesOf(question)
  if (times.length > maxSteps) throw new RangeError(`A series has at most ${String(maxSteps)} steps.`)
  const lines = await linesFor(db, await planOf(db, tenant, question), question, times)
  return { times: times.map((t) => new Date(t * 1000).toISOString()), lines: question.group === 'none' ? lines : inOrder(lines) }
}
