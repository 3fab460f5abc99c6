import { picoOf } from '../../core/prices/money.js'
import type { Db } from '../db.js'
import { hoursWithCalls, spanOfHour } from './hours-with-calls.js'
import { selectOver, type Rollup } from './rollups.js'
import { rowsOnce, sqlInstant, type Span } from './rows-once.js'

/** Exact sums of a roll-up's columns, in 10^-12, by bucket: tenants are spread over 1,024 of them, so that none hides another. */
export type Sums = ReadonlyMap<number, readonly bigint[]>

type Row = readonly [bucket: number, ...sums: string[]]

const bucket = 'toUInt32(cityHash64(toString(tenant_id)) % 1024)'
const exact = (text: string): bigint => picoOf(text) ?? 0n

const sumsIn = (rows: readonly { readonly row: Row }[]): Map<number, bigint[]> =>
  new Map(rows.map(({ row: [at, ...sums] }) => [at, sums.map(exact)]))

const addSums = (sums: Map<number, bigint[]>, more: Sums): void => {
  for (const [at, values] of more) {
    const known = sums.get(at)
    sums.set(
      at,
      values.map((value, i) => value + (known?.[i] ?? 0n)),
    )
  }
}

/** How many buckets differ. One without calls is one of zeros. */
export const differing = (a: Sums, b: Sums): number =>
  [...new Set([...a.keys(), ...b.keys()])].filter((at) => {
    const [left, right] = [a.get(at) ?? [], b.get(at) ?? []]
    return Array.from({ length: Math.max(left.length, right.length) }).some((_, i) => (left[i] ?? 0n) !== (right[i] ?? 0n))
  }).length

/** What should stand in the roll-up for a span: each stored call once, and what re-pricing changed of it. Counted hour by hour. */
export const sumsOfCalls = async (db: Pick<Db, 'rows'>, rollup: Rollup, span: Span): Promise<Sums> => {
  const total = new Map<number, bigint[]>()
  for (const feed of rollup.feeds) {
    const columns = rollup.sums.map((name) => (feed.columns.includes(name) ? `toString(sum(${name}))` : "'0'"))
    for (const hour of await hoursWithCalls(db, feed.from, span)) {
      const rows = await db.rows<{ row: Row }>(
        'sums-of-calls',
        `SELECT tuple(${bucket}, ${columns.join(', ')}) AS row
         FROM (${selectOver(feed, rowsOnce(feed, spanOfHour(hour)))}) GROUP BY ${bucket}`,
      )
      addSums(total, sumsIn(rows))
    }
  }
  return total
}

/** What stands there. The span begins and ends with a row's own. */
export const sumsInRollup = async (db: Pick<Db, 'rows'>, { name, at, sums }: Rollup, { fromMs, toMs }: Span): Promise<Sums> => {
  const bound = (ms: number): string => (at === 'hour' ? sqlInstant(ms) : `toDate(${sqlInstant(ms)})`)
  return sumsIn(
    await db.rows<{ row: Row }>(
      'sums-in-rollup',
      `SELECT tuple(${bucket}, ${sums.map((sum) => `toString(sum(${sum}))`).join(', ')}) AS row
       FROM ${name} WHERE ${at} >= ${bound(fromMs)} AND ${at} < ${bound(toMs)} GROUP BY ${bucket}`,
    ),
  )
}
