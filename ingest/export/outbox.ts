import type { ExportDestination } from '../../core/config.js'
import type { Exchange } from '../../core/exchange.js'
import type { Source, SourceRecord } from '../../journal/port.js'
import type { Enrich } from '../consume.js'
import type { DeadLetters } from '../dead-letters.js'
import { mayBeCharged } from '../enrich/charges.js'
import type { Enriched } from '../enrich/enriched.js'
import { nothingKnown, type Charged, type Known } from '../enrich/known.js'
import type { Metrics } from '../metrics.js'
import { breather, fullJitter, pause } from '../pause.js'
import type { Prepare } from '../prepare.js'
import { readEvent } from '../read-event.js'
import type { Reading } from '../store/charged.js'
import { callSpans, wanted } from './call-spans.js'
import { deliverer, type SpanBatch } from './deliver.js'
import type { Exporter } from './exporter.js'
import type { Resource, Span } from './span.js'

/** How a destination is doing, for the Export page and `weir doctor`. Counts are spans since this process started. */
export interface DestinationState {
  readonly name: string
  readonly profile: string
  /** Without credentials and query. */
  readonly endpoint: string
  /** `idle`: nothing to send yet. `waiting`: tries again by itself. `failing`: a person has to mend something. */
  readonly state: 'idle' | 'ok' | 'waiting' | 'failing'
  readonly sent: number
  readonly rejected: number
  readonly dropped: number
  readonly dead: number
  /** Bytes of the event log it has not got. */
  readonly waitingBytes: number
  /** Age of the oldest call it has not got; `null` = it has all. */
  readonly lagSeconds: number | null
  readonly lastSentAt: string | null
  readonly lastError: { readonly at: string; readonly message: string } | null
}

export interface Outbox {
  readonly name: string
  state(): DestinationState
  /** Since when nothing could be delivered; `null` = it works. */
  readonly failingSinceMs: number | null
  /** Sends what is left, for at most `drainMs`; what is not acknowledged then goes again after the next start. */
  stop(drainMs: number): Promise<void>
}

/**
 * What the stored rows of these calls say was charged before them, by position; `null` = nothing was. A call whose row is not stored
 * yet is not in it.
 */
export type Verdicts = (partition: string, readings: readonly Reading[]) => Promise<ReadonlyMap<number, Charged | null>>

interface Options {
  readonly destination: ExportDestination
  readonly source: Source
  readonly enrich: Enrich
  readonly prepare: Prepare
  readonly verdicts: Verdicts
  readonly exporter: Exporter
  readonly deadLetters: DeadLetters
  readonly metrics: Pick<Metrics, 'exported'>
  /** Resource of the proxy process that wrote the call. One object per writer: the exporter groups by identity. */
  readonly resourceOf: (writer: string) => Resource
  readonly now: () => number
  readonly random: () => number
  readonly onFault: (message: string, cause: unknown) => void
  /** How often the lag is compared with `maxLag`. */
  readonly checkMs?: number
}

/** The consumer under which a destination's position is kept. */
export const consumerOf = (destination: Pick<ExportDestination, 'name'>): string => `otlp-${destination.name}`

/** A batch is sent when it is full, or this long after the one before. */
const bounds = { spans: 512, bytes: 4 * 1024 * 1024, everyMs: 1000 }
/** Langfuse refuses a whole batch for one bad id. */
const langfuseSpans = 100
const inFlight = 3
const maxAgeMs = 24 * 3_600_000
const chunk = { records: 256, bytes: 8 * 1024 * 1024 }
/** Records that are decoded together, so that what has to be asked for is asked for all of them. */
const slice = 64
const sliceMs = 10
const idleMs = 250

const asksVerdict = ({ exchange, known }: { readonly exchange: Exchange; readonly known: Known }): boolean =>
  known.usage !== null && mayBeCharged(exchange, known.usage)

/** Near enough to a span's size on the wire. */
const roughBytes = (span: Span): number => {
  let bytes = 200 + span.name.length
  for (const [key, value] of Object.entries(span.attributes))
    bytes += key.length + 10 + (typeof value === 'string' ? value.length : Array.isArray(value) ? value.join().length : 8)
  return bytes
}

const withoutSecrets = (endpoint: string): string => {
  const url = new URL(endpoint)
  return `${url.protocol}//${url.host}${url.pathname}`
}

/** A batch on its way, or settled behind one that is not. */
interface Flight {
  readonly next: number
  readonly spans: number
  readonly oldestMs: number
  settled: boolean
}

interface Lane {
  /** Position up to which records were read. */
  cursor: number
  /** In order. The position on disk follows the unbroken run of settled ones. */
  readonly flights: Flight[]
  committing: Promise<void> | null
}

/**
 * Sends every call to one destination, at its own pace: a consumer of the event log with its own position, so that it delays
 * neither the store nor another destination (traces.md §5). At least once: after a crash up to three batches go again, with equal
 * ids. Beyond `maxLag`, or a day, the oldest calls are given up and counted.
 */
export const openOutbox = (options: Options): Outbox => {
  const {
    destination,
    source,
    enrich,
    prepare,
    verdicts,
    exporter,
    deadLetters,
    metrics,
    resourceOf,
    now,
    random,
    onFault,
    checkMs = 5000,
  } = options
  const consumer = consumerOf(destination)
  const maxSpans = destination.profile === 'langfuse' ? langfuseSpans : bounds.spans
  const lanes = new Map<string, Lane>()
  const flying = new Set<Promise<void>>()
  const halt = new AbortController()
  const draining = new AbortController()
  /** Fired at the end, and when the destination fell too far behind: what is on its way is given up. */
  let giveUp = new AbortController()
  let behind = false
  const cut = (): void => {
    halt.abort()
    giveUp.abort()
    exporter.close()
  }

  const counts = { sent: 0, rejected: 0, dropped: 0, dead: 0 }
  let lastSentAt: number | null = null
  let lastError: { at: number; message: string } | null = null
  let trouble: { kind: 'away' | 'denied'; sinceMs: number } | null = null
  let waitingBytes = 0

  const count = (what: keyof typeof counts, spans: number): void => {
    counts[what] += spans
    metrics.exported(destination.name, what, spans)
  }
  const failedWith = (message: string): void => {
    lastError = { at: now(), message }
  }
  const works = (): void => {
    trouble = null
    lastSentAt = now()
  }
  const deliver = deliverer({
    exporter,
    deadLetters,
    random,
    on: {
      sent(spans) {
        works()
        count('sent', spans)
      },
      rejected(spans, message) {
        failedWith(`Partial success: ${spans} spans rejected. ${message}`.trimEnd())
        count('rejected', spans)
      },
      dead(spans, message) {
        works()
        failedWith(message)
        count('dead', spans)
      },
      waiting({ kind, message }) {
        trouble = { kind, sinceMs: trouble?.sinceMs ?? now() }
        failedWith(message)
      },
    },
  })

  const laneOf = async (partition: string): Promise<Lane> => {
    const known = lanes.get(partition)
    if (known !== undefined) return known
    const lane: Lane = { cursor: (await source.progress(partition, consumer)).committed, flights: [], committing: null }
    lanes.set(partition, lane)
    return lane
  }

  /** Moves the position on disk over the settled run. One at a time per lane; what settles meanwhile is taken along. */
  const advance = async (partition: string, lane: Lane): Promise<void> => {
    if (lane.committing !== null) return await lane.committing
    const work = async (): Promise<void> => {
      for (;;) {
        const open = lane.flights.findIndex((flight) => !flight.settled)
        const run = lane.flights.slice(0, open === -1 ? lane.flights.length : open)
        const end = run.at(-1)
        if (end === undefined) return
        await source.commit(partition, consumer, end.next)
        lane.flights.splice(0, run.length)
      }
    }
    lane.committing = work().finally(() => {
      lane.committing = null
    })
    await lane.committing
  }

  const launch = (partition: string, lane: Lane, batch: SpanBatch, flight: Flight): void => {
    lane.flights.push(flight)
    const { signal } = giveUp
    const fly = async (): Promise<void> => {
      try {
        if (batch.spans.length > 0) await deliver(batch, signal)
      } catch (cause) {
        if (halt.signal.aborted) return
        if (!signal.aborted) onFault(`Destination ${destination.name}: a dead letter could not be written.`, cause)
        count('dropped', batch.spans.length)
      }
      flight.settled = true
      await advance(partition, lane).catch((cause: unknown) =>
        onFault(`Destination ${destination.name}: its position was not saved.`, cause),
      )
    }
    const flown = fly()
    flying.add(flown)
    void flown.finally(() => flying.delete(flown))
  }

  const enrichedOf = (partition: string, record: SourceRecord): Enriched | null => {
    try {
      const exchange = readEvent(record.payload)
      return wanted(exchange, destination) ? enrich(exchange, { source: partition, offset: record.at }) : null
    } catch {
      return null // the store keeps it as a dead letter
    }
  }

  const wantedOf = (record: SourceRecord): Exchange | null => {
    try {
      const exchange = readEvent(record.payload)
      return wanted(exchange, destination) ? exchange : null
    } catch {
      return null // the store keeps it as a dead letter
    }
  }

  /**
   * What the store and the tokenizer tell about some records. Whether a response was charged before is read from the call's own row,
   * so the call waits until that is stored: asking the way ingest does, at another time, would find rows of other logs that it did not.
   *
   * @returns One entry per record, in order; `null` = not wanted. It ends before the first call that has to wait.
   */
  const knownOf = async (
    partition: string,
    records: readonly SourceRecord[],
  ): Promise<readonly ({ readonly exchange: Exchange; readonly known: Known } | null)[]> => {
    const exchanges = records.map(wantedOf)
    const some = exchanges.filter((exchange) => exchange !== null)
    const told = await prepare(some)
    const known = new Map(some.map((exchange, i) => [exchange, told[i] ?? nothingKnown]))
    const calls = records.map(({ at }, i) => {
      const exchange = exchanges[i] ?? null
      return exchange === null ? null : { at, exchange, known: known.get(exchange) ?? nothingKnown }
    })
    const readings = calls.filter((call) => call !== null).filter(asksVerdict)
    if (readings.length === 0) return calls
    const charged = await verdicts(partition, readings)
    const waits = calls.findIndex((call) => call !== null && asksVerdict(call) && !charged.has(call.at))
    return (waits === -1 ? calls : calls.slice(0, waits)).map(
      (call) => call && { ...call, known: { ...call.known, charged: charged.get(call.at) ?? null } },
    )
  }

  const spansOf = (exchange: Exchange, known: Known, partition: string, at: number): readonly Span[] => {
    try {
      const enriched = enrich(exchange, { source: partition, offset: at }, known)
      return callSpans(enriched, resourceOf(exchange.writer), destination)
    } catch {
      return [] // the store keeps it as a dead letter
    }
  }

  /** Reads and sends one batch of a partition. Returns whether it was full. */
  const sendNext = async (partition: string): Promise<'empty' | 'some' | 'full'> => {
    const lane = await laneOf(partition)
    const records = await source.read(partition, lane.cursor, chunk.records, chunk.bytes)
    const head = records[0]
    if (head === undefined) return 'empty'
    const spans: Span[] = []
    const breathe = breather(sliceMs)
    let bytes = 0
    let oldestMs = now()
    let end: SourceRecord | null = null
    let full = records.length === chunk.records
    slices: for (let from = 0; from < records.length; from += slice) {
      const some = records.slice(from, from + slice)
      const calls = await knownOf(partition, some)
      for (const [i, call] of calls.entries()) {
        const record = some[i] as SourceRecord
        const made = call === null ? [] : spansOf(call.exchange, call.known, partition, record.at)
        const size = made.reduce((sum, span) => sum + roughBytes(span), 0)
        if (spans.length > 0 && (spans.length + made.length > maxSpans || bytes + size > bounds.bytes)) {
          full = true
          break slices
        }
        if (call !== null) oldestMs = Math.min(oldestMs, Date.parse(call.exchange.startedAt))
        spans.push(...made)
        bytes += size
        end = record
        await breathe()
      }
      if (calls.length < some.length) {
        full = false // the next call waits for its row
        break
      }
    }
    if (end === null) return 'empty'
    while (flying.size >= inFlight && !halt.signal.aborted) await Promise.race(flying)
    if (halt.signal.aborted) return 'empty'
    if (behind) return 'full' // these are given up too, by the jump
    lane.cursor = end.next
    const batch = { partition, first: head.at, last: end.at, spans }
    launch(partition, lane, batch, { next: end.next, spans: spans.length, oldestMs, settled: false })
    return full ? 'full' : 'some'
  }

  const oldestMs = (): number | null => {
    let oldest: number | null = null
    for (const { flights } of lanes.values()) {
      const head = flights.find((flight) => !flight.settled)
      if (head !== undefined && (oldest === null || head.oldestMs < oldest)) oldest = head.oldestMs
    }
    return oldest
  }

  const tooFarBehind = (): boolean => {
    const oldest = oldestMs()
    return waitingBytes > destination.maxLag || (oldest !== null && now() - oldest > maxAgeMs)
  }

  /** Reads on without sending until the lag is within its limit again. Runs in the loop, so that nothing is sent meanwhile. */
  const jump = async (): Promise<void> => {
    await Promise.all(flying)
    giveUp = new AbortController()
    const before = counts.dropped
    for (const partition of await source.partitions()) {
      const lane = await laneOf(partition)
      const breathe = breather(sliceMs)
      for (;;) {
        waitingBytes = await source.lagBytes(consumer)
        let excess = waitingBytes - destination.maxLag
        const records = await source.read(partition, lane.cursor, 2000, chunk.bytes)
        let dropped = 0
        let end: SourceRecord | null = null
        let enough = records.length === 0
        for (const record of records) {
          const enriched = enrichedOf(partition, record)
          const old = enriched !== null && now() - Date.parse(enriched.exchange.startedAt) > maxAgeMs
          enough = excess <= 0 && !old
          if (enough) break
          if (enriched !== null) dropped += callSpans(enriched, resourceOf(enriched.exchange.writer), destination).length
          excess -= record.payload.length
          end = record
          await breathe()
        }
        if (dropped > 0) count('dropped', dropped)
        if (end !== null) {
          lane.cursor = end.next
          await source.commit(partition, consumer, end.next)
        }
        if (enough) break
      }
    }
    failedWith(`It lagged beyond its limit: ${counts.dropped - before} spans and those on their way were given up.`)
  }

  const checkLag = async (): Promise<void> => {
    waitingBytes = await source.lagBytes(consumer)
    if (behind || !tooFarBehind()) return
    behind = true
    giveUp.abort()
  }

  const round = async (): Promise<'empty' | 'some' | 'full'> => {
    const partitions = await source.partitions()
    for (const [known, lane] of lanes) if (lane.flights.length === 0 && !partitions.includes(known)) lanes.delete(known)
    let most: 'empty' | 'some' | 'full' = 'empty'
    for (const partition of partitions) {
      const found = await sendNext(partition)
      if (found === 'full' || most === 'empty') most = found
    }
    return most
  }

  const run = async (): Promise<void> => {
    let failures = 0
    while (!halt.signal.aborted) {
      const begun = performance.now()
      // Asked before the round: what was written while it ran is for one more.
      const isLast = draining.signal.aborted
      try {
        if (behind) await jump()
        behind = false
        const found = await round()
        failures = 0
        if (isLast && found === 'empty') {
          await Promise.all(flying)
          return
        }
        const waitMs = found === 'full' ? 0 : found === 'empty' ? idleMs : bounds.everyMs - (performance.now() - begun)
        if (waitMs > 0) await pause(waitMs, draining.signal)
      } catch (cause) {
        if (halt.signal.aborted) return
        onFault(`Destination ${destination.name}: reading the event log failed; trying again.`, cause)
        await pause(fullJitter(++failures, 250, 15_000, random), halt.signal)
      }
    }
  }

  // The loop above may wait for a free slot for hours; the lag is watched beside it.
  const watch = async (): Promise<void> => {
    while (!halt.signal.aborted) {
      await checkLag().catch((cause: unknown) => onFault(`Destination ${destination.name}: its lag is not known.`, cause))
      await pause(checkMs, halt.signal)
    }
  }

  const running = run()
  const watching = watch()
  return {
    name: destination.name,
    state: () => {
      const oldest = oldestMs()
      return {
        name: destination.name,
        profile: destination.profile,
        endpoint: withoutSecrets(destination.endpoint),
        state: trouble !== null ? (trouble.kind === 'denied' ? 'failing' : 'waiting') : lastSentAt === null ? 'idle' : 'ok',
        ...counts,
        waitingBytes,
        lagSeconds: oldest === null ? null : Math.max(0, (now() - oldest) / 1000),
        lastSentAt: lastSentAt === null ? null : new Date(lastSentAt).toISOString(),
        lastError: lastError === null ? null : { at: new Date(lastError.at).toISOString(), message: lastError.message },
      }
    },
    get failingSinceMs() {
      return trouble?.sinceMs ?? null
    },
    async stop(drainMs) {
      draining.abort()
      // Waiting for a destination that is away helps no one: its position stands.
      const deadline = setTimeout(cut, trouble === null ? drainMs : Math.min(drainMs, 500))
      await running
      clearTimeout(deadline)
      cut()
      await Promise.all([watching, ...flying])
    },
  }
}
