import { crc32 } from 'node:zlib'
import type { Exchange } from '../core/exchange.js'
import { PartitionMoved, type Gap, type Source, type SourceRecord } from '../journal/port.js'
import { byTenant } from './by-tenant.js'
import type { DeadLetters, DeadReason } from './dead-letters.js'
import { chargedOf, createChargeBook, mayBeCharged, type Charge, type ChargeBook } from './enrich/charges.js'
import type { Enriched } from './enrich/enriched.js'
import { nothingKnown, type Known } from './enrich/known.js'
import type { Metrics } from './metrics.js'
import { breather, fullJitter, pause } from './pause.js'
import type { Prepare } from './prepare.js'
import { readEvent } from './read-event.js'
import { addRow, batchMaker, type Batch } from './store/batch.js'
import type { Store } from './store/store.js'

/** `enrich` with its price book closed over. Pure. */
export type Enrich = (
  exchange: Exchange,
  position: { readonly source: string; readonly offset: number },
  known?: Known,
) => Enriched

/**
 * The log as ingest reads it. One that is of gaps tells what a journal had no room for: those read over and not committed past.
 * One on other machines may be in trouble.
 */
export type EventLog = Source & {
  readonly gaps?: (partition: string) => Promise<readonly Gap[]>
  /** Why nothing is read, and since when; `null` = all is well. */
  readonly trouble?: { readonly message: string; readonly sinceMs: number } | null
}

/** How large a batch may grow, and how often one is begun. */
export interface Bounds {
  readonly events: number
  readonly bytes: number
  /** A batch that is not full is begun at most once in this time; the first one after a silence goes at once. */
  readonly everyMs: number
  /** Of its time a consumer inserts no larger share than this, while no batch is full; twelve partitions have twelve batches a round. */
  readonly insertShare: number
  /** However long inserts took (the store may have been away), the next round is not later than this. */
  readonly latestMs: number
}

/**
 * Every insert has its price whatever it holds (about 85 ms of CPU: seven tables, five views), every row adds to what the engine
 * holds at once (5,000 rows took 290 MiB, 10,000 did not fit into its 384): hence 4,000 rows or 8 MiB, at most one small batch in
 * 750 ms, more seldom where there are many partitions, and no larger ones when behind. storage.md allows 50,000 rows and 64 MiB then;
 * docs/decisions/0040.
 */
export const storeBounds: Bounds = {
  events: 4000,
  bytes: 8 * 1024 * 1024,
  everyMs: 750,
  insertShare: 1 / 3,
  latestMs: 5000,
}

/** How long a round of batches that were not full lasts at least: `insertedMs` of it were inserts. */
export const roundMs = ({ everyMs, insertShare, latestMs }: Bounds, insertedMs: number): number =>
  Math.max(everyMs, Math.min(latestMs, insertedMs / insertShare))

/** One read of the source: what is decoded and enriched at a time. A record is at most 8 MiB. */
const chunk = { records: 500, bytes: 8 * 1024 * 1024 }
/** Full batches of one partition before the others have their turn. */
const batchesPerTurn = 8
/** How long the event loop may be held in one go: the web API answers from the same process. */
const sliceMs = 10
/** How often an idle source is looked at. */
const idleMs = 100

interface Options {
  readonly source: EventLog
  readonly consumer: string
  readonly store: Store
  readonly enrich: Enrich
  readonly prepare: Prepare
  readonly deadLetters: DeadLetters
  readonly metrics: Pick<Metrics, 'stored' | 'deadLetter'>
  readonly bounds: Bounds
  readonly now: () => number
  readonly random: () => number
  /** Rows now visible, and the hours since the epoch they lie in. */
  readonly onStored: (rows: number, hours: ReadonlySet<number>) => void
  readonly onFault: (message: string, cause: unknown) => void
}

export interface Consumer {
  /** Takes in what is left, for at most `drainMs`. What remains stays in the log, with its plan. */
  stop(drainMs: number): Promise<void>
  /** Age of the oldest event that was read and is not stored; 0 when there is none. */
  lagSeconds(): number
  /**
   * Runs work between two rounds: what was begun is stored and committed, nothing else is inserted meanwhile.
   *
   * @param work Is given a signal that fires when the time to stop is up.
   * @throws Error when the consumer ends before its turn.
   */
  whilePaused<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Set while reading the log or writing its positions fails. */
  readonly trouble: { readonly message: string; readonly sinceMs: number } | null
}

/** `full`: more may be waiting. */
type Found = 'empty' | 'some' | 'full'

interface Poison {
  readonly reason: DeadReason
  readonly error: string
}

const poisonOf = (cause: unknown, decoded: boolean): Poison => ({
  reason: decoded
    ? 'enrich_failed'
    : cause instanceof RangeError && cause.message.includes('newer')
      ? 'newer_version'
      : 'undecodable',
  error: cause instanceof Error ? cause.message : String(cause),
})

/**
 * Moves events from the log into the store, exactly once (storage.md §3): the range is planned before the insert and committed
 * after it; a range that was planned and not committed is cut the same again, so that its token makes the second insert void.
 * All partitions share one loop: the engine takes one insert at a time anyway, and memory holds one batch.
 */
export const consume = (options: Options): Consumer => {
  const { source, consumer, store, enrich, prepare, deadLetters, metrics, bounds, now, random, onStored, onFault } = options
  const newBatch = batchMaker()
  const cursors = new Map<string, number>()
  const halt = new AbortController()
  const draining = new AbortController()
  let trouble: Consumer['trouble'] = null
  /** What inserts of this round took. */
  let insertedMs = 0
  /** Of what was read and is not stored, by partition: the end of its oldest call. */
  const oldestEnds = new Map<string, number>()
  const waiting: { readonly run: () => Promise<void>; readonly drop: () => void }[] = []

  const setAside = async (partition: string, record: SourceRecord, { reason, error }: Poison): Promise<void> => {
    await deadLetters.put({ reason, error, source: { partition, first: record.at, last: record.at }, payload: record.payload })
    metrics.deadLetter('ingest')
  }

  /** The records that still fit into the batch, or lie within the planned range; the batch's range grows over them. */
  const takeable = (batch: Batch, records: readonly SourceRecord[], until: number | null): readonly SourceRecord[] => {
    const taken: SourceRecord[] = []
    for (const record of records) {
      if (until !== null && record.at > until) break
      if (batch.records === 0) {
        batch.first = record.at
        batch.mark = crc32(record.payload).toString(16)
      }
      batch.records++
      batch.payloadBytes += record.payload.length
      batch.last = record.at
      batch.next = record.next
      taken.push(record)
      if (until === null && isFull(batch)) break
    }
    return taken
  }

  /** Charges of earlier rows, for those calls that may tell the usage of one; asked once for all of a tenant. */
  const chargesFor = async (
    batch: Batch,
    calls: readonly { readonly exchange: Exchange; readonly at: number; readonly known: Known }[],
    inserted: Promise<unknown> | null,
  ): Promise<ReadonlyMap<number, readonly Charge[]>> => {
    const readings = calls.filter(({ exchange, known }) => known.usage !== null && mayBeCharged(exchange, known.usage))
    if (readings.length === 0) return new Map()
    // The batch before this one may hold the row that was charged: it is in the store first.
    await inserted
    const found = new Map<number, readonly Charge[]>()
    for (const [tenant, own] of byTenant(readings, ({ exchange }) => exchange.tenant)) {
      const charges = await store.chargesBefore(tenant, batch.partition, own, halt.signal)
      for (const [i, { at }] of own.entries()) found.set(at, charges[i] ?? [])
    }
    return found
  }

  /** Makes the rows of one read. What has to be asked for is asked for all its calls together; most reads ask nothing. */
  const addRows = async (
    batch: Batch,
    records: readonly SourceRecord[],
    { book, inserted, breathe }: { book: ChargeBook; inserted: Promise<unknown> | null; breathe: ReturnType<typeof breather> },
  ): Promise<void> => {
    const read: { readonly record: SourceRecord; readonly exchange: Exchange }[] = []
    for (const record of records) {
      try {
        read.push({ record, exchange: readEvent(record.payload) })
      } catch (cause) {
        await setAside(batch.partition, record, poisonOf(cause, false))
      }
      const breath = breathe()
      if (breath !== undefined) await breath
    }
    const prepared = prepare(read.map(({ exchange }) => exchange))
    const known = prepared instanceof Promise ? await prepared : prepared
    const calls = read.map(({ record, exchange }, i) => ({ record, exchange, at: record.at, known: known[i] ?? nothingKnown }))
    const charges = await chargesFor(batch, calls, inserted)
    for (const { record, exchange, at, known } of calls) {
      try {
        const before = charges.get(at)
        const charged = before === undefined ? null : chargedOf([...before, ...book.before(exchange)], exchange.id)
        const enriched = enrich(
          exchange,
          { source: batch.partition, offset: at },
          charged === null ? known : { ...known, charged },
        )
        book.note(enriched)
        addRow(batch, record, enriched)
      } catch (cause) {
        await setAside(batch.partition, record, poisonOf(cause, true))
      }
      const breath = breathe()
      if (breath !== undefined) await breath
    }
  }

  /**
   * Reads from `from` until the batch is full or nothing is left; with `until`, exactly to that position.
   *
   * @param inserted The insert of the batch before, if that one is still on its way.
   */
  const gather = async (
    partition: string,
    from: number,
    until: number | null,
    inserted: Promise<unknown> | null = null,
  ): Promise<Batch> => {
    const batch = newBatch(partition, from)
    const around = { book: createChargeBook(), inserted, breathe: breather(sliceMs) }
    const full = (): boolean => until === null && isFull(batch)
    while (!full()) {
      const most = until === null ? Math.min(chunk.records, bounds.events - batch.records) : chunk.records
      const records = await source.read(partition, batch.next, most, chunk.bytes)
      if (records.length === 0) break
      const taken = takeable(batch, records, until)
      await addRows(batch, taken, around)
      if (taken.length < records.length) break
    }
    return batch
  }

  const refuse = async (batch: Batch, at: number, error: string): Promise<void> => {
    const [record] = await source.read(batch.partition, at, 1, chunk.bytes)
    if (record !== undefined && record.at === at) await setAside(batch.partition, record, { reason: 'refused', error })
  }

  /** Gaps told before `end`; once it is committed, they are told. */
  const tellGaps = async (partition: string, end: number): Promise<readonly Gap[]> => {
    if (source.gaps === undefined) return []
    const gaps = (await source.gaps(partition)).filter((gap) => gap.at < end)
    if (gaps.length > 0) await store.tellGaps(partition, gaps, halt.signal)
    return gaps
  }

  const insert = async (batch: Batch, startedAt: number): Promise<void> => {
    if (batch.oldestEndMs !== null) oldestEnds.set(batch.partition, batch.oldestEndMs)
    const sentAt = performance.now()
    const { rows, refused } = await store.insert(batch, halt.signal)
    insertedMs += performance.now() - sentAt
    for (const { at, error } of refused) await refuse(batch, at, error)
    await tellGaps(batch.partition, batch.next)
    await source.commit(batch.partition, consumer, batch.next)
    cursors.set(batch.partition, batch.next)
    metrics.stored(batch.facts, batch.records, (performance.now() - startedAt) / 1000)
    if (rows > 0) onStored(rows, batch.hours)
  }

  const planAndInsert = async (batch: Batch, startedAt: number): Promise<void> => {
    await source.plan(batch.partition, consumer, { first: batch.first, last: batch.last })
    await insert(batch, startedAt)
  }

  /** What an earlier life had begun: cut the same, inserted again under the same token. */
  const resume = async (partition: string): Promise<number> => {
    const { committed, planned } = await source.progress(partition, consumer)
    if (planned === null) return committed
    const startedAt = performance.now()
    // From the commit on, not from the plan: what lies between holds no events, but may tell of gaps.
    const batch = await gather(partition, committed, planned.last)
    if (batch.records === 0) return committed
    batch.first = planned.first
    batch.last = planned.last
    await insert(batch, startedAt)
    return batch.next
  }

  const isFull = (batch: Batch): boolean => batch.records >= bounds.events || batch.payloadBytes >= bounds.bytes

  /** What one partition has, at most a turn of it. Returns whether more may be waiting there. */
  const takeTurn = async (partition: string): Promise<Found> => {
    let startedAt = performance.now()
    let from = cursors.get(partition)
    if (from === undefined) {
      from = await resume(partition)
      cursors.set(partition, from)
    }
    let batch = await gather(partition, from, null)
    if (batch.records === 0) return await passGaps(partition, from)
    for (let turn = 1; ; turn++) {
      // The engine works in threads of its own: while it takes this batch in, the next one is read and enriched here.
      const goesOn = isFull(batch) && turn < batchesPerTurn && !halt.signal.aborted
      const inserting = planAndInsert(batch, startedAt)
      const ahead = goesOn ? gather(partition, batch.next, null, inserting) : null
      ahead?.catch(() => undefined) // looked at below, when the insert is done
      try {
        await inserting
      } catch (cause) {
        await ahead?.catch(() => undefined) // it writes into memory that the next try takes
        throw cause
      }
      if (ahead === null) return isFull(batch) ? 'full' : 'some'
      startedAt = performance.now()
      batch = await ahead
      if (batch.records === 0) return 'some'
    }
  }

  /** Nothing to store, but perhaps something to tell: gaps at the end of the log. */
  const passGaps = async (partition: string, from: number): Promise<Found> => {
    const last = (await tellGaps(partition, Infinity)).at(-1)
    if (last === undefined) return 'empty'
    const next = Math.max(from, last.next)
    await source.commit(partition, consumer, next)
    cursors.set(partition, next)
    return 'some'
  }

  const round = async (): Promise<Found> => {
    const partitions = await source.partitions()
    for (const known of cursors.keys())
      if (!partitions.includes(known)) {
        cursors.delete(known)
        oldestEnds.delete(known)
      }
    let most: Found = 'empty'
    for (const partition of partitions) {
      halt.signal.throwIfAborted()
      const found = await takeTurn(partition)
      if (found !== 'full') oldestEnds.delete(partition)
      if (found === 'full' || most === 'empty') most = found
    }
    return most
  }

  const run = async (): Promise<void> => {
    let failures = 0
    while (!halt.signal.aborted) {
      const begun = performance.now()
      insertedMs = 0
      // Asked before the round: what was written while it ran is for one more.
      const isLast = draining.signal.aborted
      try {
        const found = await round()
        failures = 0
        trouble = null
        for (const { run: work } of waiting.splice(0)) await work()
        if (isLast && found === 'empty') return
        const waitMs =
          found === 'full' ? 0 : found === 'empty' ? idleMs : roundMs(bounds, insertedMs) - (performance.now() - begun)
        if (waitMs > 0) await pause(waitMs, draining.signal)
      } catch (cause) {
        if (halt.signal.aborted) return
        // The log or the disk fails, not the store. The cursor is read anew: the plan on disk says what was begun.
        cursors.clear()
        if (cause instanceof PartitionMoved) continue
        trouble = { message: cause instanceof Error ? cause.message : String(cause), sinceMs: trouble?.sinceMs ?? now() }
        onFault('Reading the event log failed; trying again.', cause)
        await pause(fullJitter(++failures, 250, 15_000, random), halt.signal)
      }
    }
  }

  const running = run().finally(() => {
    for (const { drop } of waiting.splice(0)) drop()
  })
  return {
    async stop(drainMs) {
      draining.abort()
      const deadline = setTimeout(() => halt.abort(), drainMs)
      await running
      clearTimeout(deadline)
      halt.abort()
    },
    whilePaused: (work) =>
      new Promise((resolve, reject) => {
        const drop = (): void => reject(new Error('Ingest ends.'))
        if (draining.signal.aborted) return drop()
        waiting.push({ run: () => work(halt.signal).then(resolve, reject), drop })
      }),
    lagSeconds: () => (oldestEnds.size === 0 ? 0 : Math.max(0, (now() - Math.min(...oldestEnds.values())) / 1000)),
    get trouble() {
      return trouble
    },
  }
}
