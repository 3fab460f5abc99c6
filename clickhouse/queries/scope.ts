import type { Filter, FilterField } from '../../core/filter.js'
import type { TenantId } from '../../core/tenant.js'
import type { Params } from '../db.js'
import { fieldsOf, filterSql } from './filter-sql.js'
import { searchSql } from './search-sql.js'

/** From `from` up to, not including, `to`. */
export interface Period {
  readonly from: Date
  readonly to: Date
}

/** What a question reads: raw rows, or a roll-up of whole UTC hours or days. */
export type Source = 'rows' | 'hours' | 'days'

/** Which calls a question is about. Made by `scopeOf`, so that a roll-up is never asked for a part of an hour or a field it lacks. */
export interface Scope {
  readonly period: Period
  readonly filter: Filter | null
  /** Words looked for in bodies and previews; empty = none. Only rows can be searched. */
  readonly search: string
  readonly source: Source
}

/** What a page asks about, before it is decided where to read. */
export type Asked = Omit<Scope, 'source'>

/** A roll-up: its grain, and the fields of the grammar it can be filtered by. */
export interface Rollup {
  readonly table: string
  readonly grain: 'hours' | 'days'
  readonly fields: readonly FilterField[]
}

export const rollups = {
  model: { table: 'r_model_1h', grain: 'hours', fields: ['provider', 'model', 'outcome', 'error_kind'] },
  user: { table: 'r_user_1d', grain: 'days', fields: ['user_id', 'key_id', 'model'] },
  session: { table: 'r_session_1d', grain: 'days', fields: ['session_id'] },
  property: { table: 'r_prop_1d', grain: 'days', fields: [] },
} as const satisfies Record<string, Rollup>

const hourMs = 3_600_000
const grainMs = { rows: 1, hours: hourMs, days: 24 * hourMs } as const

/** The period in whole units of the source: never less than was asked for. */
const widened = ({ from, to }: Period, source: Source): Period => {
  const unit = grainMs[source]
  return { from: new Date(Math.floor(from.getTime() / unit) * unit), to: new Date(Math.ceil(to.getTime() / unit) * unit) }
}

/**
 * Decides what is read (config.md, last paragraph): raw rows up to 24 hours, for steps finer than the roll-up and for filters it
 * cannot answer; else the roll-up, over whole hours or days.
 *
 * @param rollup The roll-up that could answer; `null` = only rows can.
 */
export const scopeOf = (asked: Asked, rollup: Rollup | null, stepSeconds: number | null = null): Scope => {
  const { period, filter, search } = asked
  const short = period.to.getTime() - period.from.getTime() <= 24 * hourMs
  const fine = rollup !== null && stepSeconds !== null && stepSeconds * 1000 < grainMs[rollup.grain]
  const known: readonly string[] = rollup?.fields ?? []
  const foreign = search !== '' || (filter !== null && fieldsOf(filter).some((field) => !known.includes(field)))
  const source = rollup === null || short || fine || foreign ? 'rows' : rollup.grain
  return { ...asked, period: widened(period, source), source }
}

/** The same number of the same units right before. */
export const periodBefore = (scope: Scope): Scope => {
  const { from, to } = scope.period
  return { ...scope, period: { from: new Date(2 * from.getTime() - to.getTime()), to: from } }
}

const timeSql: Record<Source, string> = {
  rows: "ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}",
  hours: "hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}",
  days: 'day >= {from:Date} AND day < {to:Date}',
}

/** The WHERE of a scope: tenant, time, filter, words. */
export const within = (
  tenant: TenantId,
  { period, filter, search, source }: Scope,
): { readonly sql: string; readonly params: Params } => {
  const condition = filterSql(filter)
  const text = searchSql(search)
  return {
    sql: `tenant_id = {tenant:String} AND ${timeSql[source]} AND ${condition.sql} AND ${text.sql}`,
    params: { tenant, from: period.from, to: period.to, ...condition.params, ...text.params },
  }
}

/** Sums every roll-up and the rows can give, by source. Roll-ups hold sums; rows are counted. */
export const sums = (source: Source) =>
  source === 'rows'
    ? ({
        n: 'count()',
        errors: "countIf(error_kind != '')",
        unpriced: "countIf(cost_status = 'unpriced')",
        tokens: 'sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0))',
        cost: 'sum(ifNull(cost_total, 0))',
        lastMs: 'toUnixTimestamp64Milli(max(ts))',
      } as const)
    : ({
        n: 'sum(n)',
        errors: 'sum(errors)',
        unpriced: 'sum(unpriced)',
        tokens: 'sum(tokens)',
        cost: 'sum(cost)',
        lastMs: 'toUnixTimestamp64Milli(max(last_ts))',
      } as const)

/** Milliseconds since the epoch, as the engine writes them, in ISO form. */
export const iso = (ms: string): string => new Date(Number(ms)).toISOString()
