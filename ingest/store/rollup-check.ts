import { randomUUID } from 'node:crypto'
import type { Db } from '../../clickhouse/db.js'
import { hourMs, hoursWithCalls } from '../../clickhouse/rollups/hours-with-calls.js'
import { monthOf, rebuildMonth, spanOfMonth } from '../../clickhouse/rollups/rebuild.js'
import { rollupsOf, type Rollup } from '../../clickhouse/rollups/rollups.js'
import type { Span } from '../../clickhouse/rollups/rows-once.js'
import { differing, sumsInRollup, sumsOfCalls } from '../../clickhouse/rollups/sums.js'
import { wholeSince } from '../../clickhouse/rollups/whole-since.js'

const dayMs = 24 * hourMs
/** Calls of an hour that is over may still be on their way. One that comes later brings its hour up again. */
const graceMs = 2 * 60_000
/** What was stored before this process began, and may not have been compared. */
const beforeStartMs = 2 * dayMs
/** What is older comes up by and by, a day at a time; it is looked for in so much at once. */
const emptyMs = 31 * dayMs
/** Builds of one month in which something was inserted meanwhile. */
const mostBuilds = 3

/** What one comparison found. */
export interface RollupReport {
  /** Hours and days that were compared, each once for every roll-up it is in. */
  readonly spans: number
  /** Those that differed, with ingest paused. */
  readonly differing: number
  /** Months that were built anew: 202611. */
  readonly rebuilt: readonly number[]
}

export interface RollupCheck {
  /** Calls of these hours (since the epoch) are stored. */
  note(hours: Iterable<number>): void
  /**
   * Compares the hours and days that are over and got calls since the last time, counted from the calls with FINAL, with the
   * roll-ups. Where they differ, ingest is paused, they are compared again, and the month is built anew.
   *
   * The first comparison takes the last two days in as well, and each one a day with calls of what is older, backwards to the oldest that is
   * whole, and round again: all that is kept comes up, whatever was stored before this process began.
   *
   * @throws DbError when the store does not answer: the same hours are compared the next time.
   */
  check(signal?: AbortSignal): Promise<RollupReport>
}

interface Options {
  readonly db: Db
  readonly now: () => number
  /** Of the configuration in force, in days. */
  readonly retentionDays: () => number
  /** Runs work between two batches, when no other process inserts or re-prices; `null` = not now. */
  readonly alone: <T>(work: (renew: () => Promise<void>) => Promise<T>) => Promise<T | null>
  readonly onRebuilt: (month: number) => void
  /** Where among the older days the first one lies: a process that is often started anew would else never come to the last ones. */
  readonly random?: () => number
}

/** A part of a roll-up that is compared. */
interface Part {
  readonly rollup: Rollup
  readonly span: Span
}

const differs = async (db: Pick<Db, 'rows'>, { rollup, span }: Part): Promise<boolean> =>
  differing(await sumsOfCalls(db, rollup, span), await sumsInRollup(db, rollup, span)) > 0

const thatDiffer = async (db: Pick<Db, 'rows'>, parts: readonly Part[], signal?: AbortSignal): Promise<readonly Part[]> => {
  const found: Part[] = []
  for (const part of parts) {
    signal?.throwIfAborted()
    if (await differs(db, part)) found.push(part)
  }
  return found
}

/** Units of time since the epoch that are over. */
const over = (units: Iterable<number>, unitMs: number, now: number): readonly number[] =>
  [...units].filter((unit) => (unit + 1) * unitMs + graceMs <= now).sort((a, b) => a - b)

export const rollupCheck = ({ db, now, retentionDays, alone, onRebuilt, random = Math.random }: Options): RollupCheck => {
  const touched = { hour: new Set<number>(), day: new Set<number>() }
  const unit = { hour: hourMs, day: dayMs } as const
  let running: Promise<RollupReport> | null = null
  let isFirst = true
  /** Older calls are compared up to here; `null` = not begun. */
  let olderThanMs: number | null = null

  const rebuild = async (
    rollups: readonly Rollup[],
    months: readonly number[],
    wholeSinceMs: number,
    renew: () => Promise<void>,
  ): Promise<void> => {
    for (const month of months) {
      const { fromMs, toMs } = spanOfMonth(month)
      for (const rollup of rollups) {
        const whole = { fromMs: Math.max(fromMs, wholeSinceMs), toMs }
        for (let builds = 1; ; builds++) {
          await renew()
          if (await rebuildMonth(db, rollup, month, whole)) break
          if (builds === mostBuilds)
            throw new Error(`${rollup.name} could not be built anew for ${month}: calls are stored meanwhile.`)
        }
      }
      onRebuilt(month)
    }
  }

  /** The next of the older days, newest first, with its hours; none when nothing older is kept. */
  const older = async (
    wholeSinceMs: number,
  ): Promise<{ readonly hours: readonly number[]; readonly days: readonly number[] }> => {
    const newestMs = Math.floor(now() / dayMs) * dayMs - beforeStartMs
    if (newestMs <= wholeSinceMs) return { hours: [], days: [] }
    olderThanMs ??= newestMs - Math.floor((random() * (newestMs - wholeSinceMs)) / dayMs) * dayMs
    if (olderThanMs <= wholeSinceMs) olderThanMs = newestMs
    for (let toMs = olderThanMs; toMs > wholeSinceMs; toMs -= emptyMs) {
      const found = await hoursWithCalls(db, 'requests', { fromMs: Math.max(wholeSinceMs, toMs - emptyMs), toMs })
      const last = found.at(-1)
      if (last === undefined) continue
      const day = Math.floor(last / 24)
      olderThanMs = day * dayMs
      return { hours: found.filter((hour) => Math.floor(hour / 24) === day), days: [day] }
    }
    olderThanMs = wholeSinceMs
    return { hours: [], days: [] }
  }

  const compare = async (
    touchedHours: readonly number[],
    touchedDays: readonly number[],
    signal?: AbortSignal,
  ): Promise<RollupReport> => {
    const rollups = await rollupsOf(db)
    const shards = rollups[0]?.shards ?? null
    const { shortest, wholeSinceMs } = await wholeSince(db, { now: now(), retentionDays: retentionDays(), shards })
    const { hours, days } = await older(wholeSinceMs)
    const units = { hour: [...new Set([...touchedHours, ...hours])], day: [...new Set([...touchedDays, ...days])] }
    const parts = rollups.flatMap((rollup) =>
      units[rollup.at]
        .map((n) => ({ fromMs: n * unit[rollup.at], toMs: (n + 1) * unit[rollup.at] }))
        .filter(({ fromMs }) => fromMs >= wholeSinceMs)
        .map((span) => ({ rollup, span })),
    )
    const suspects = await thatDiffer(db, parts, signal)
    const repaired =
      suspects.length === 0
        ? { confirmed: [], months: [] }
        : await alone(async (renew) => {
            const confirmed = await thatDiffer(db, suspects)
            const months = [...new Set(confirmed.map(({ span }) => monthOf(span.fromMs)))]
            await rebuild(rollups, months, wholeSinceMs, renew)
            return { confirmed, months }
          })
    if (repaired === null) throw new Error('Roll-ups that differ cannot be built anew now: another process is at work on them.')
    const report = { spans: parts.length, differing: repaired.confirmed.length, rebuilt: repaired.months }
    const row = { at: new Date(now()).toISOString().replace('T', ' ').replace('Z', ''), shortest_retention: shortest, ...report }
    await db.insert('rollup_checks', Buffer.from(`${JSON.stringify(row)}\n`), `rollup-check:${randomUUID()}`)
    return report
  }

  const note = (hours: Iterable<number>): void => {
    for (const hour of hours) {
      touched.hour.add(hour)
      touched.day.add(Math.floor(hour / 24))
    }
  }

  const run = async (signal?: AbortSignal): Promise<RollupReport> => {
    const at = now()
    if (isFirst) note(await hoursWithCalls(db, 'requests', { fromMs: at - beforeStartMs, toMs: at }))
    isFirst = false
    const due = { hour: over(touched.hour, hourMs, at), day: over(touched.day, dayMs, at) }
    for (const kind of ['hour', 'day'] as const) for (const n of due[kind]) touched[kind].delete(n)
    try {
      return await compare(due.hour, due.day, signal)
    } catch (cause) {
      for (const kind of ['hour', 'day'] as const) for (const n of due[kind]) touched[kind].add(n)
      throw cause
    }
  }

  return {
    note,
    check: (signal) => (running ??= run(signal).finally(() => (running = null))),
  }
}
