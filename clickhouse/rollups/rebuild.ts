import type { Db } from '../db.js'
import { hoursWithCalls } from './hours-with-calls.js'
import { selectOver, twinOf, type Rollup } from './rollups.js'
import { rowsOnce, sqlInstant, type Span } from './rows-once.js'

const dayMs = 86_400_000

/** Groups beyond this go to disk half-way: the embedded engine holds 448 MiB in all. */
const spill = 'SETTINGS max_bytes_before_external_group_by = 134217728'

/** The month of a moment, as partitions are named: 202611. */
export const monthOf = (ms: number): number => {
  const date = new Date(ms)
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1
}

/** From the first moment of a month to the first of the next. */
export const spanOfMonth = (month: number): Span => {
  const [year, index] = [Math.floor(month / 100), (month % 100) - 1]
  return { fromMs: Date.UTC(year, index, 1), toMs: Date.UTC(year, index + 1, 1) }
}

/**
 * Builds a month of a roll-up anew and puts it in the place of the old one, in one step. The days of `whole` are counted from the calls
 * themselves, each once, and from what re-pricing changed; the others are kept as they stand, because calls of theirs are gone.
 *
 * Nothing may be inserted while it runs: what came in between would be lost with the old month. Killed half-way it leaves the roll-up as
 * it was; the next one begins with an empty twin.
 *
 * @param whole Days of this month, in UTC.
 */
export const rebuildMonth = async (db: Pick<Db, 'rows' | 'exec'>, rollup: Rollup, month: number, whole: Span): Promise<void> => {
  const { name, at, columns, feeds } = rollup
  const twin = twinOf(rollup)
  const bound = (ms: number): string => (at === 'hour' ? sqlInstant(ms) : `toDate(${sqlInstant(ms)})`)
  const list = (names: readonly string[]): string => names.map((column) => `\`${column}\``).join(', ')
  await db.exec(`TRUNCATE TABLE ${twin}`)
  await db.exec(
    `INSERT INTO ${twin} (${list(columns)}) SELECT ${list(columns)} FROM ${name}
     WHERE toYYYYMM(${at}) = ${month} AND NOT (${at} >= ${bound(whole.fromMs)} AND ${at} < ${bound(whole.toMs)})`,
  )
  for (const feed of feeds) {
    const hours = await hoursWithCalls(db, feed.from, whole)
    for (const day of new Set(hours.map((hour) => Math.floor(hour / 24)))) {
      const rows = rowsOnce(feed, { fromMs: day * dayMs, toMs: (day + 1) * dayMs })
      await db.exec(
        `INSERT INTO ${twin} (${list(feed.columns)}) SELECT ${list(feed.columns)} FROM (${selectOver(feed, rows)}) ${spill}`,
      )
    }
  }
  const [built] = await db.rows<{ n: string }>('rows-built', `SELECT count() AS n FROM ${twin}`)
  // From an empty partition nothing is replaced: the engine refuses it.
  const isEmpty = built?.n === '0'
  await db.exec(
    isEmpty ? `ALTER TABLE ${name} DROP PARTITION ${month}` : `ALTER TABLE ${name} REPLACE PARTITION ${month} FROM ${twin}`,
  )
  await db.exec(`TRUNCATE TABLE ${twin}`)
}
