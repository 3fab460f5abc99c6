import type { Enriched } from '../enrich/enriched.js'
import { factsOf, type CallFacts } from '../metrics.js'
import type { Doubted } from './doubt.js'
import { createLines, type Lines } from './lines.js'

/** A range of one partition, ready to insert. Records without a row (dead letters, known doubles) are in the range only. */
export interface Batch {
  readonly partition: string
  /** Positions of the first and last record of the range, inclusive. */
  first: number
  last: number
  /** Of the payload of its first record: the same range of the same log has the same. */
  mark: string
  /** Position behind `last`. */
  next: number
  /** Records read, with or without a row. */
  records: number
  /** Payload bytes read. */
  payloadBytes: number
  /** Positions of the records that have a row, in order; entry i of `requests` and `bodies` belongs to `ats[i]`. */
  readonly ats: number[]
  /** Event ids, as `ats`. */
  readonly ids: string[]
  /** Those that may lie in the log twice, with their place in `ats`. */
  readonly doubts: (Doubted & { readonly tenant: string; readonly index: number })[]
  readonly requests: Lines
  readonly bodies: Lines
  readonly facts: CallFacts[]
  /** When the first call of the batch ended, ms since the epoch; `null` while there is none. */
  oldestEndMs: number | null
  /** Hours since the epoch in which its calls began. */
  readonly hours: Set<number>
}

/**
 * Makes batches that share two pieces of memory in turn: one is being inserted while the next is read. The third call voids what
 * the first one gave.
 */
export const batchMaker = (): ((partition: string, from: number) => Batch) => {
  const memory = [0, 1].map(() => ({ requests: createLines(), bodies: createLines() }))
  let turn = 0
  return (partition, from) => {
    const { requests, bodies } = memory[turn++ % 2] as (typeof memory)[number]
    requests.clear()
    bodies.clear()
    return {
      partition,
      first: from,
      last: from,
      mark: '',
      next: from,
      records: 0,
      payloadBytes: 0,
      ats: [],
      ids: [],
      doubts: [],
      requests,
      bodies,
      facts: [],
      oldestEndMs: null,
      hours: new Set(),
    }
  }
}

/** Adds a call's lines. The exchange itself is not kept: its bodies would hold the whole read buffer. */
export const addRow = (batch: Batch, record: { readonly at: number; readonly doubt: boolean }, enriched: Enriched): void => {
  const { id, tenant, startedAt, marksUs } = enriched.exchange
  if (record.doubt) batch.doubts.push({ id, tenant, startedAt, index: batch.ats.length })
  batch.ats.push(record.at)
  batch.ids.push(id)
  batch.requests.push(enriched.row)
  batch.bodies.push(enriched.bodies)
  batch.facts.push(factsOf(enriched))
  const startedMs = Date.parse(startedAt)
  batch.hours.add(Math.floor(startedMs / 3_600_000))
  batch.oldestEndMs ??= startedMs + (marksUs.closed ?? marksUs.lastByte ?? 0) / 1000
}
