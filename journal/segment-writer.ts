import { join } from 'node:path'
import { ChurnMap } from '../core/churn-map.js'
import { encodeCheckpoint, type Checkpoint } from './checkpoint.js'
import { copyRecords } from './copy-records.js'
import type { Disk } from './disk.js'
import { dropTally } from './drop-tally.js'
import { fullBecause, JournalFullError, type Full } from './journal-full.js'
import type { Durability, JournalState, JournalWriter } from './port.js'
import {
  doubtFlag,
  encodeSegmentHead,
  maxPayloadBytes,
  payloadBytes,
  recordHeadBytes,
  segmentName,
  writeRecordHead,
} from './segment-format.js'
import { segmentFile, type SegmentFile, type Unsynced } from './segment-file.js'

type Done = (failure: Error | null) => void
type Payload = readonly Uint8Array[]

/** An append, from the caller's turn of the event loop to the write at its end. */
interface Append {
  readonly type: 'start' | 'end'
  readonly id: string
  readonly tenant: string
  readonly payload: Payload
  readonly length: number
  readonly durability: Durability
  readonly done: Done
}

export interface WriterOptions {
  /** Folder of this writer alone; locked by the caller. */
  readonly dir: string
  readonly writer: string
  readonly disk: Disk
  readonly durability: Durability
  readonly now: () => number
  /** Of the whole journal, all writers together. `Infinity` = none. */
  readonly limitBytes: number
  /** Bytes of the whole journal, measured. */
  readonly measure: () => Promise<number>
  readonly segmentBytes: number
  readonly segmentMs: number
  /** Number of the first segment to write, and the starts it takes over (recovery). */
  readonly first: number
  readonly open?: readonly (readonly [id: string, payload: Payload])[]
  /** Each of its records may also lie elsewhere. */
  readonly doubt?: boolean
  /** Drops of another journal, to be told by this one. */
  readonly drops?: Checkpoint['drops']
  readonly release: () => Promise<void>
}

/** Beyond the limit, for ends of calls whose start is in the journal. */
const openCallRoom = 64 * 1024 * 1024
const syncEveryMs = 50
const rotateAgainMs = 1000
/** How often the folder is measured; when full, whether there is room again; when syncs fail, whether they do now. */
const tickMs = { healthy: 1000, full: 250, broken: 2000 }

const rank: Record<Durability, number> = { off: 0, standard: 1, strict: 2 }

/**
 * The writer behind `openJournal`: one file at a time, one `writev` per turn of the event loop (storage.md §1).
 *
 * Fails open: what cannot be written is counted and told by the next checkpoint; `done` gets the reason.
 */
export const segmentWriter = async (options: WriterOptions): Promise<JournalWriter> => {
  const { dir, writer, disk, now, limitBytes, measure, segmentBytes, segmentMs } = options
  const open = new ChurnMap<Payload>(options.open)
  const drops = dropTally(now, options.drops)
  const retired = new Set<Promise<void>>()
  const configured = rank[options.durability]

  let queue: Append[] = []
  let flushing = false
  let closed = false
  let segment: SegmentFile | null = null
  let number = options.first
  /** When the segment was begun, and its size then: a large checkpoint must not make it full at once. */
  let begunAt = 0
  let begunBytes = 0
  let notBefore = 0
  /** The segment replaced one whose sync failed; a second failure in a row means that the disk is broken. */
  let onProbation = false
  let full: Full | null = null
  let tornBytes = 0
  let measured = 0
  let sinceMeasured = 0
  let syncTimer: NodeJS.Timeout | null = null

  const total = (): number => measured + sinceMeasured

  // --- segments

  const begin = (): void => {
    const path = join(dir, segmentName(number))
    const fd = disk.create(path)
    const fresh = segmentFile({ disk, path, fd, onSyncFailed: rescue })
    const head = encodeSegmentHead({ writer, number, createdMs: now() })
    const { drops: untold, ended } = drops.untold()
    const pieces = [head, ...checkpointPieces('open', open, untold, ended)]
    const bytes = payloadBytes(pieces)
    const { cause } = fresh.append(pieces, bytes)
    if (cause !== null) {
      // A segment without its checkpoint is none: its name is free again.
      void fresh.finish('as it is').catch(() => undefined)
      disk.remove(path)
      throw cause
    }
    drops.told()
    number++
    segment = fresh
    begunAt = now()
    begunBytes = bytes
    sinceMeasured += bytes
    if (configured > rank.off) syncSoon()
  }

  const retire = (old: SegmentFile, how: 'sync' | 'as it is'): void => {
    const gone = old.finish(how).catch(() => undefined)
    retired.add(gone)
    void gone.then(() => retired.delete(gone))
  }

  /** The segment to write to. @throws The disk's error when there is none and none can be made. */
  const current = (): SegmentFile => {
    if (segment !== null && isDue(segment, now())) rotate(segment)
    if (segment === null) begin()
    return segment as unknown as SegmentFile
  }

  const isDue = ({ bytes }: SegmentFile, at: number): boolean =>
    (bytes - begunBytes >= segmentBytes || at - begunAt >= segmentMs) && at >= notBefore

  /** Where no new file can be made, the old one goes on: it may have room yet, or descriptors may be short for a moment. */
  const rotate = (old: SegmentFile): void => {
    try {
      begin()
      retire(old, configured > rank.off || syncTimer !== null ? 'sync' : 'as it is')
    } catch {
      notBefore = now() + rotateAgainMs
    }
  }

  const checkpointPieces = (
    kind: Checkpoint['kind'],
    starts: Iterable<readonly [string, Payload]>,
    untold: Checkpoint['drops'],
    ended: readonly string[],
  ): Uint8Array[] =>
    encodeCheckpoint(kind, starts, untold, ended).flatMap((payload) => {
      const head = Buffer.allocUnsafe(recordHeadBytes)
      writeRecordHead(head, 0, { type: 'checkpoint', flags: 0, payload, length: payloadBytes(payload) })
      return [head, ...payload]
    })

  /** All of it or nothing. @throws The disk's error. */
  const appendWhole = (into: SegmentFile, pieces: Uint8Array[], bytes: number): void => {
    const before = into.bytes
    const { cause } = into.append(pieces, bytes)
    if (cause !== null) {
      cutBack(into, before)
      throw cause
    }
    sinceMeasured += bytes
  }

  /** A checkpoint outside the beginning of a segment. @throws The disk's error. */
  const writeCheckpoint = (kind: 'drops' | 'closed'): void => {
    const into = kind === 'closed' && segment !== null ? segment : current()
    const { drops: untold, ended } = drops.untold()
    const pieces = checkpointPieces(kind, kind === 'closed' ? open : [], untold, ended)
    appendWhole(into, pieces, payloadBytes(pieces))
    drops.told()
    if (configured > rank.off) syncSoon()
  }

  // --- syncs

  const syncSoon = (): void => {
    syncTimer ??= setTimeout(() => {
      syncTimer = null
      segment?.sync()
    }, syncEveryMs).unref()
  }

  /**
   * After a failed sync the kernel may have dropped the pages and call the next sync a success. So the descriptor is given up,
   * and what it held is read back and written anew into a new segment, marked: it may now lie at two positions.
   */
  const rescue = (old: SegmentFile, left: Unsynced): void => {
    const first = !onProbation
    if (segment === old) segment = null
    try {
      if (!first) throw left.cause
      onProbation = true
      const into = current()
      const copied = copyRecords(old, left, (pieces, bytes) => appendWhole(into, pieces, bytes))
      if (copied < left.to) throw left.cause
      into.sync((cause) => {
        if (cause === null) onProbation = false
        for (const done of left.waiters) done(cause)
      })
    } catch (cause) {
      full = fullBecause(cause as Error)
      for (const done of left.waiters) done(new JournalFullError(full))
      soon()
    }
    retire(old, 'as it is')
  }

  // --- what is dropped

  const fail = ({ type, id, tenant, done }: Append, why: Full): void => {
    if (type === 'end') drops.add(tenant, why.reason, open.delete(id) ? id : null)
    done(new JournalFullError(why))
  }

  const refuses = ({ type, id, length }: Append, groupBytes: number): Full | null => {
    // Ends of calls that are in the journal already have some room more: their clients are in mid-answer.
    const wanted = type === 'end' && open.has(id)
    if (full !== null && full.reason !== 'limit' && !wanted) return full
    if (total() + groupBytes + length > limitBytes + (wanted ? openCallRoom : 0)) return limitReached()
    return null
  }

  const limitReached = (): Full => ({ reason: 'limit', message: `The journal has reached its limit of ${limitBytes} bytes.` })

  /** @returns The appends there is room for. */
  const admit = (group: Append[], bytes: number): Append[] => {
    if (full === null && total() + bytes <= limitBytes) return group
    let taken = 0
    return group.filter((append) => {
      const why = refuses(append, taken)
      if (why === null) {
        taken += recordHeadBytes + append.length
        return true
      }
      if (full === null) {
        full = why
        soon()
      }
      fail(append, why)
      return false
    })
  }

  /** Takes back the part of a record that was written last. Where even that fails, the segment ends here. */
  const cutBack = (into: SegmentFile, length: number): void => {
    tornBytes += into.bytes - length
    try {
      into.cut(length)
    } catch {
      if (segment === into) segment = null
      retire(into, 'as it is')
    }
  }

  // --- the write

  const flush = (): void => {
    flushing = false
    const queued = queue
    queue = []
    let bytes = 0
    for (const { length } of queued) bytes += recordHeadBytes + length
    const group = admit(queued, bytes)
    if (group.length === 0) return
    let into: SegmentFile
    try {
      into = current()
    } catch (cause) {
      refuseAll(group, cause as Error)
      return
    }
    write(into, group)
  }

  const refuseAll = (group: readonly Append[], cause: Error): void => {
    full = fullBecause(cause)
    for (const append of group) fail(append, full)
    soon()
  }

  const write = (into: SegmentFile, group: readonly Append[]): void => {
    const heads = Buffer.allocUnsafe(group.length * recordHeadBytes)
    const pieces: Uint8Array[] = []
    let bytes = 0
    for (let i = 0; i < group.length; i++) {
      const { type, payload, length } = group[i] as Append
      writeRecordHead(heads, i * recordHeadBytes, { type, flags: options.doubt === true ? doubtFlag : 0, payload, length })
      pieces.push(heads.subarray(i * recordHeadBytes, (i + 1) * recordHeadBytes))
      for (const piece of payload) if (piece.length > 0) pieces.push(piece)
      bytes += recordHeadBytes + length
    }
    const before = into.bytes
    const { written, cause } = into.append(pieces, bytes)
    const whole = cause === null ? group.length : wholeRecords(group, written)
    if (cause !== null) {
      let kept = 0
      for (let i = 0; i < whole; i++) kept += recordHeadBytes + (group[i] as Append).length
      cutBack(into, before + kept)
      sinceMeasured += kept
      settle(into, group.slice(0, whole))
      refuseAll(group.slice(whole), cause)
      return
    }
    sinceMeasured += bytes
    settle(into, group)
  }

  const wholeRecords = (group: readonly Append[], written: number): number => {
    let left = written
    let i = 0
    while (i < group.length && left >= recordHeadBytes + (group[i] as Append).length)
      left -= recordHeadBytes + (group[i++] as Append).length
    return i
  }

  /** The group is in the file: `done` is called now, or for strict ends when it is on the medium. */
  const settle = (into: SegmentFile, group: readonly Append[]): void => {
    let most: number = rank.off
    let strict = false
    for (const { type, id, payload, durability } of group) {
      if (type === 'start') open.set(id, payload)
      else open.delete(id)
      const asked = Math.max(configured, rank[durability])
      if (asked > most) most = asked
      if (type === 'end' && asked === rank.strict) strict = true
    }
    if (strict) {
      const waiting = group.filter(isStrictEnd).map(({ done }) => done)
      into.sync((cause) => {
        for (const done of waiting) done(cause)
      })
    } else if (most > rank.off) syncSoon()
    for (const append of group) if (!strict || !isStrictEnd(append)) append.done(null)
  }

  const isStrictEnd = ({ type, durability }: Append): boolean =>
    type === 'end' && Math.max(configured, rank[durability]) === rank.strict

  // --- once in a while: how much is there, and does the disk take records again?

  const remeasure = async (): Promise<void> => {
    if (limitBytes === Infinity) return
    const before = sinceMeasured
    try {
      measured = await measure()
      sinceMeasured -= before
    } catch {
      // The folder cannot be read now: the last figure and what was written since still hold.
    }
  }

  const recoverFromFull = (): void => {
    if (full === null) return
    if (full.reason === 'limit' && total() >= limitBytes) return
    try {
      writeCheckpoint('drops')
    } catch (cause) {
      full = fullBecause(cause as Error)
      return
    }
    if (!onProbation) {
      full = null
      return
    }
    const tried = segment as unknown as SegmentFile
    tried.sync((cause) => {
      if (cause === null) {
        onProbation = false
        full = null
      }
    })
  }

  let ticking: NodeJS.Timeout | null = null
  let ticked: Promise<void> = Promise.resolve()
  const tick = (): void => {
    ticking = null
    ticked = remeasure().then(() => {
      if (closed) return
      recoverFromFull()
      schedule(untilNextTick())
    })
  }
  const untilNextTick = (): number => (full === null ? tickMs.healthy : onProbation ? tickMs.broken : tickMs.full)
  const schedule = (ms: number): void => {
    if (closed) return
    if (ticking !== null) clearTimeout(ticking)
    ticking = setTimeout(tick, ms).unref()
  }
  const soon = (): void => {
    if (ticking !== null) schedule(untilNextTick())
  }

  await remeasure()
  begin()
  schedule(tickMs.healthy)

  const close = async (): Promise<void> => {
    closed = true
    if (ticking !== null) clearTimeout(ticking)
    if (syncTimer !== null) clearTimeout(syncTimer)
    await ticked
    if (queue.length > 0) flush()
    try {
      writeCheckpoint('closed')
    } catch {
      // No room even for that: the next recovery finds the same from the segment itself.
    }
    if (syncTimer !== null) clearTimeout(syncTimer)
    // A failed sync on the way makes one more segment.
    while (segment !== null || retired.size > 0) {
      if (segment !== null) retire(segment, 'sync')
      segment = null
      await Promise.all(retired)
    }
    await options.release()
  }
  let closing: Promise<void> | null = null

  const state: JournalState = {
    get bytes() {
      return total()
    },
    limitBytes,
    get shedsBodies() {
      return total() >= limitBytes * 0.8
    },
    get full() {
      return full
    },
    get dropped() {
      return drops.total
    },
    get tornBytes() {
      return tornBytes
    },
  }

  return {
    writer,
    state,
    append(type, id, tenant, payload, durability, done) {
      const length = payloadBytes(payload)
      if (closed || length > maxPayloadBytes) {
        const message = closed ? 'The journal is closed.' : `A record of ${length} bytes is over the limit of ${maxPayloadBytes}.`
        if (!closed && type === 'end') drops.add(tenant, 'too_large', open.delete(id) ? id : null)
        setImmediate(done, new Error(message))
        return
      }
      queue.push({ type, id, tenant, payload, length, durability, done })
      if (flushing) return
      flushing = true
      setImmediate(flush)
    },
    close: () => (closing ??= close()),
  }
}
