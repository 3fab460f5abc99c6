import type { Db } from '../../clickhouse/db.js'
import type { Gap } from '../../journal/port.js'
import type { TenantId } from '../../core/tenant.js'
import { byTenant } from '../by-tenant.js'
import type { Charge } from '../enrich/charges.js'
import { fullJitter, pause } from '../pause.js'
import type { Batch } from './batch.js'
import { chargesBefore, type Reading } from './charged.js'
import { isDataFault } from './data-fault.js'
import { storedElsewhere } from './doubt.js'
import type { Lines } from './lines.js'

/** A record the store will never take. */
export interface Refused {
  /** Position of the record. */
  readonly at: number
  readonly error: string
}

export interface Store {
  /**
   * Inserts a batch, bodies first, so that a visible row has its bodies. Each table's token names the range, hence a batch sent
   * again is void where it is complete and mended where it is torn. A batch is a stretch of a log and holds whatever tenants lie in
   * it; each of its lines names its own.
   *
   * @returns How many rows are stored, and the records refused for what they hold, found by halving.
   * @throws AbortError when the signal fires while the store is away: the plan stands, the next start inserts the same batch.
   */
  insert(batch: Batch, signal: AbortSignal): Promise<{ readonly rows: number; readonly refused: readonly Refused[] }>
  /** Who was charged for these responses before? One list per reading; waits, like an insert, until the store answers. */
  chargesBefore(
    tenant: TenantId,
    partition: string,
    readings: readonly Reading[],
    signal: AbortSignal,
  ): Promise<readonly (readonly Charge[])[]>
  /**
   * Writes down how many calls the log had no room for. Each record that tells gaps has its own token, wherever it is read: twice is
   * once.
   */
  tellGaps(partition: string, gaps: readonly Gap[], signal: AbortSignal): Promise<void>
  /** Why the store does not take anything at the moment, and since when; `null` = it does. */
  readonly trouble: { readonly message: string; readonly sinceMs: number } | null
}

interface Options {
  readonly db: Pick<Db, 'insert' | 'rows'>
  readonly now: () => number
  readonly random: () => number
  /** Told once per failed try. */
  readonly onRetry: (cause: unknown, tries: number) => void
  /** Which doubtful events are stored from elsewhere. Not to be chosen in operation: the tests of one net take the other away. */
  readonly lookUp?: typeof storedElsewhere
  /** Another process asks for a pause; nothing is inserted until it does not. Default: there is no other. */
  readonly paused?: () => Promise<boolean>
}

const backoffMs = { base: 250, cap: 15_000 }

/** Joins the lines of some records, leaving out what lies between them. */
const linesOf = (lines: Lines, indexes: readonly number[]): Buffer => {
  const first = indexes[0] as number
  const last = indexes.at(-1) as number
  if (last - first + 1 === indexes.length) return lines.slice(first, last + 1)
  return Buffer.concat(indexes.map((i) => lines.slice(i, i + 1)))
}

const sqlTime = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
const gapLine = (writer: string, { tenant, reason, n, fromMs, toMs }: Gap): string =>
  `${JSON.stringify({ tenant_id: tenant, from_ts: sqlTime(fromMs), to_ts: sqlTime(toMs), writer, reason, n })}\n`

const pausedMs = 1000
/** Less than a pause gives an insert that was begun before it (`settleMs`). */
const lookHoldsMs = 1000

export const createStore = ({
  db,
  now,
  random,
  onRetry,
  lookUp = storedElsewhere,
  paused = () => Promise.resolve(false),
}: Options): Store => {
  let trouble: Store['trouble'] = null

  /** Tries for ever; only a data fault and the signal end it. */
  const untilDone = async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        const done = await work()
        trouble = null
        return done
      } catch (cause) {
        if (isDataFault(cause)) throw cause
        signal.throwIfAborted()
        trouble = { message: cause instanceof Error ? cause.message : String(cause), sinceMs: trouble?.sinceMs ?? now() }
        onRetry(cause, tries)
        await pause(fullJitter(tries, backoffMs.base, backoffMs.cap, random), signal)
        signal.throwIfAborted()
      }
    }
  }

  let lookedAt = -Infinity
  /** Whoever rebuilds a roll-up is waited for. What was seen holds for a moment: a try may come long after the one before it. */
  const whenClear = async (signal: AbortSignal): Promise<void> => {
    while (performance.now() - lookedAt > lookHoldsMs) {
      if (!(await paused())) lookedAt = performance.now()
      else {
        await pause(pausedMs, signal)
        signal.throwIfAborted()
      }
    }
  }

  // Halving is safe to repeat after a crash: a data fault lies in the data, so the whole fails again and is halved the same way,
  // and every half has its own token.
  const insertSome = async (
    table: string,
    {
      batch,
      lines,
      indexes,
      range,
    }: { batch: Batch; lines: Lines; indexes: readonly number[]; range: readonly [number, number] },
    signal: AbortSignal,
  ): Promise<Refused[]> => {
    if (indexes.length === 0) return []
    const some = linesOf(lines, indexes)
    if (some.length === 0) return []
    try {
      // The mark: a topic that was made anew counts from 0 again, and its first batches are no repeats of the old one's.
      const token = `${batch.partition}:${range[0]}-${range[1]}:${batch.mark}:${table}`
      await untilDone(async () => {
        if (table === 'requests') await whenClear(signal)
        await db.insert(table, some, token)
      }, signal)
      return []
    } catch (cause) {
      if (!isDataFault(cause)) throw cause
      if (indexes.length === 1) return [{ at: range[0], error: cause.message }]
      const half = indexes.length >> 1
      const refused: Refused[] = []
      for (const part of [indexes.slice(0, half), indexes.slice(half)]) {
        const ends = [batch.ats[part[0] as number] as number, batch.ats[part.at(-1) as number] as number] as const
        refused.push(...(await insertSome(table, { batch, lines, indexes: part, range: ends }, signal)))
      }
      return refused
    }
  }

  /** Doubted events that are stored already, or lie earlier in this batch: their places in it. */
  const doubles = async (batch: Batch, signal: AbortSignal): Promise<ReadonlySet<number>> => {
    if (batch.doubts.length === 0) return new Set()
    const found = new Set<number>()
    for (const [tenant, doubts] of byTenant(batch.doubts, (doubt) => doubt.tenant)) {
      const elsewhere = await untilDone(() => lookUp(db, tenant, doubts, batch), signal)
      for (const { id, index } of doubts) if (elsewhere.has(id) || batch.ids.indexOf(id) < index) found.add(index)
    }
    return found
  }

  return {
    async insert(batch, signal) {
      await untilDone(() => whenClear(signal), signal)
      const leftOut = await doubles(batch, signal)
      const all = batch.ats.map((_, i) => i).filter((i) => !leftOut.has(i))
      // A single record is named by its own position, so that the letter says where it lies.
      const only = all.length === 1 ? (batch.ats[all[0] as number] as number) : null
      const range = only === null ? ([batch.first, batch.last] as const) : ([only, only] as const)
      const bodiless = await insertSome('request_bodies', { batch, lines: batch.bodies, indexes: all, range }, signal)
      const gone = new Set(bodiless.map((letter) => letter.at))
      const rest = gone.size === 0 ? all : all.filter((i) => !gone.has(batch.ats[i] as number))
      const refused = await insertSome('requests', { batch, lines: batch.requests, indexes: rest, range }, signal)
      return { rows: rest.length - refused.length, refused: [...bodiless, ...refused] }
    },
    chargesBefore: (tenant, partition, readings, signal) =>
      untilDone(() => chargesBefore(db, tenant, partition, readings), signal),
    async tellGaps(partition, gaps, signal) {
      const told = new Map<string, Gap[]>()
      for (const gap of gaps) {
        const { at, origin, tenant, reason } = gap
        const token = origin === undefined ? `${partition}:${at}` : `${origin.writer}:${origin.at}:${tenant}:${reason}`
        told.set(token, [...(told.get(token) ?? []), gap])
      }
      for (const [token, some] of told) {
        const lines = Buffer.from(some.map((gap) => gapLine(gap.origin?.writer ?? partition, gap)).join(''))
        await untilDone(() => db.insert('log_gaps', lines, `${token}:log_gaps`), signal)
      }
    },
    get trouble() {
      return trouble
    },
  }
}
