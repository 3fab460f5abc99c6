import type { Db } from '../db.js'
import { hoursWithCalls } from './hours-with-calls.js'
import { heldBy, selectOver, twinOf, type Rollup } from './rollups.js'
import { rowsOnce, sqlInstant, type Span } from './rows-once.js'
import { differing, sumsInRollup } from './sums.js'

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
 * How far the tables that feed roll-ups have come: differs as soon as something is put in. Merges change nothing of it.
 *
 * With shards every part has to be asked for by way of its rows; else the list of parts says it.
 */
const comeSoFar = async (db: Pick<Db, 'rows'>, { shards }: Pick<Rollup, 'shards'>): Promise<string> => {
  const rows: { latest: string }[] = []
  if (shards === null)
    rows.push(
      ...(await db.rows<{ latest: string }>(
        'come-so-far',
        `SELECT concat(table, ' ', partition_id, ' ', toString(max(max_block_number))) AS latest FROM system.parts
         WHERE database = currentDatabase() AND table IN ('requests', 'cost_adjustments') AND active GROUP BY table, partition_id ORDER BY latest`,
      )),
    )
  else
    for (const table of ['requests', 'cost_adjustments'])
      rows.push(
        ...(await db.rows<{ latest: string }>(
          'come-so-far',
          `SELECT concat(toString(_shard_num), ' ', part[1], ' ', toString(max(toUInt64OrZero(part[3])))) AS latest
           FROM (SELECT DISTINCT _shard_num, splitByChar('_', _part) AS part FROM ${table}) GROUP BY _shard_num, part[1] ORDER BY latest`,
        )),
      )
  return rows.map(({ latest }) => latest).join('\n')
}

/** A row for nobody on each shard: from an empty partition nothing is replaced, and all of them are told the same. */
const fillShards = async (db: Pick<Db, 'exec'>, rollup: Rollup, fromMs: number): Promise<void> => {
  const moment = rollup.at === 'hour' ? sqlInstant(fromMs) : `toDate(${sqlInstant(fromMs)})`
  for (let shard = 1; shard <= (rollup.shards?.count ?? 0); shard++)
    await db.exec(
      `INSERT INTO ${twinOf(rollup)} (tenant_id, ${rollup.at}) SETTINGS insert_shard_id = ${shard}, distributed_foreground_insert = 1 SELECT '', ${moment}`,
    )
}

/**
 * Builds a month of a roll-up anew and puts it in the place of the old one, in one step (with shards one on each). The days of `whole`
 * are counted from the calls themselves, each once, and from what re-pricing changed; the others are kept as they stand, because calls of
 * theirs are gone.
 *
 * Nothing should be inserted while it runs. Killed half-way it leaves the roll-up as it was; the next one begins with an empty twin.
 *
 * @param whole Days of this month, in UTC.
 * @returns Whether the month is as it was built: false when something was inserted meanwhile all the same, by a process that was frozen
 *   after it had looked for pauses. It may be missing then, or counted twice: build it again.
 */
export const rebuildMonth = async (
  db: Pick<Db, 'rows' | 'exec'>,
  rollup: Rollup,
  month: number,
  whole: Span,
): Promise<boolean> => {
  const { name, at, columns, feeds, shards } = rollup
  const twin = twinOf(rollup)
  const bound = (ms: number): string => (at === 'hour' ? sqlInstant(ms) : `toDate(${sqlInstant(ms)})`)
  const list = (names: readonly string[]): string => names.map((column) => `\`${column}\``).join(', ')
  const settings = shards === null ? spill : `${spill}, distributed_foreground_insert = 1`
  const before = await comeSoFar(db, rollup)
  await db.exec(`TRUNCATE TABLE ${heldBy(twin, rollup)}`)
  await db.exec(
    `INSERT INTO ${twin} (${list(columns)}) SELECT ${list(columns)} FROM ${name}
     WHERE toYYYYMM(${at}) = ${month} AND NOT (${at} >= ${bound(whole.fromMs)} AND ${at} < ${bound(whole.toMs)}) ${settings}`,
  )
  for (const feed of feeds) {
    const hours = await hoursWithCalls(db, feed.from, whole)
    for (const day of new Set(hours.map((hour) => Math.floor(hour / 24)))) {
      const rows = rowsOnce(feed, { fromMs: day * dayMs, toMs: (day + 1) * dayMs })
      await db.exec(
        `INSERT INTO ${twin} (${list(feed.columns)}) SELECT ${list(feed.columns)} FROM (${selectOver(feed, rows)}) ${settings}`,
      )
    }
  }
  const span = spanOfMonth(month)
  await fillShards(db, rollup, span.fromMs)
  const [built] = await db.rows<{ n: string }>('rows-built', `SELECT count() AS n FROM ${twin}`)
  const sums = await sumsInRollup(db, { ...rollup, name: twin }, span)
  await db.exec(
    // From an empty partition nothing is replaced: the engine refuses it.
    built?.n === '0'
      ? `ALTER TABLE ${heldBy(name, rollup)} DROP PARTITION ${month}`
      : `ALTER TABLE ${heldBy(name, rollup)} REPLACE PARTITION ${month} FROM ${shards === null ? twin : `${twin}_local`}`,
  )
  const isAsBuilt = differing(sums, await sumsInRollup(db, rollup, span)) === 0 && (await comeSoFar(db, rollup)) === before
  await db.exec(`TRUNCATE TABLE ${heldBy(twin, rollup)}`)
  return isAsBuilt
}
