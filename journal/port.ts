/** Record types of a segment (storage.md §1). */
export const recordType = { start: 1, end: 2, checkpoint: 3 } as const
export type Durability = 'off' | 'standard' | 'strict'

export interface JournalState {
  readonly bytes: number
  readonly limitBytes: number
  /** From 80 % of the limit: callers leave bodies out. */
  readonly shedsBodies: boolean
  /** Why the last append failed; `null` while the journal takes records. */
  readonly full: null | { readonly reason: 'limit' | 'ENOSPC' | 'EIO'; readonly message: string }
  /** Ends that were not written because the journal was full, since this writer was opened. */
  readonly dropped: number
  /** Bytes of records that a failing disk took only in part, and that were cut off again. */
  readonly tornBytes: number
}

/** The durable log of one proxy process. Appends of one event-loop turn go out as one write, in order. */
export interface JournalWriter {
  /** UUIDv7: one life of one process. */
  readonly writer: string
  /**
   * Appends a record. `payload` is kept by reference until `done`; that of a start until its end, for the checkpoints.
   *
   * @param durability Only raises the configured one.
   * @param done Called once, never synchronously: `null` when the record is as durable as asked, else why it is not there.
   */
  append(
    type: 'start' | 'end',
    id: string,
    tenant: string,
    payload: readonly Uint8Array[],
    durability: Durability,
    done: (failure: Error | null) => void,
  ): void
  readonly state: JournalState
  /** Writes the closing checkpoint, syncs, releases the lock. Starts still open become `proxy_lost` at the next recovery. */
  close(): Promise<void>
}

/** One record at its position. `at` grows within a partition and means this record for ever: segment x 2^32 + offset, or a Kafka offset. */
export interface SourceRecord {
  readonly at: number
  /** Position of what follows this record. */
  readonly next: number
  readonly payload: Buffer
  /** True when the same event may also lie at another position. */
  readonly doubt: boolean
}

/** Ends that are not in the journal because there was no room: rows are missing, and here is how many. */
export interface Gap {
  /** Of the record that tells it. One record may tell several. */
  readonly at: number
  /** Committing this position or a later one makes the gap told. */
  readonly next: number
  readonly tenant: string
  readonly reason: string
  readonly n: number
  /** Milliseconds since the epoch: of the first and the last of them. */
  readonly fromMs: number
  readonly toMs: number
  /** Where the journal tells it, when that is not where it was read: the same gap may then be read twice. */
  readonly origin?: { readonly writer: string; readonly at: number }
}

/** A range that was planned before its insert, so that a crash cuts it the same again. Positions of first and last record, inclusive. */
export interface Plan {
  readonly first: number
  readonly last: number
}

export interface Progress {
  /** Everything before this position is stored. */
  readonly committed: number
  /** Set when an insert was begun and not acknowledged. */
  readonly planned: Plan | null
}

/** The partition may be another reader's by now: what was read of it and not committed is dropped, and read again by whoever has it. */
export class PartitionMoved extends Error {
  constructor(partition: string) {
    super(`${partition} was assigned anew; what was read of it is dropped and read again.`)
    this.name = 'PartitionMoved'
  }
}

/** Where ingest reads ends from: the folders of a journal, or the partitions of a Kafka topic. */
export interface Source {
  /** Names of partitions that have, or may get, records; of a journal: one per writer. */
  partitions(): Promise<readonly string[]>
  /**
   * Ends (type 2) in order from `from` (0 = the beginning), at most `max` records and `maxBytes` of payload; empty when none are there yet.
   * Segments that are gone are passed over.
   *
   * @throws PartitionMoved
   */
  read(partition: string, from: number, max: number, maxBytes: number): Promise<readonly SourceRecord[]>
  progress(partition: string, consumer: string): Promise<Progress>
  /** Durable (fsync) before it resolves. */
  plan(partition: string, consumer: string, plan: Plan): Promise<void>
  /** Durable before it resolves; clears the plan. `next` is the position after the last stored record. */
  commit(partition: string, consumer: string, next: number): Promise<void>
  /** Bytes not yet committed by `consumer`, over all partitions. */
  lagBytes(consumer: string): Promise<number>
  close(): Promise<void>
}
