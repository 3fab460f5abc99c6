import { readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { acquireFolderLock, type FolderLock } from '../core/folder-lock.js'
import { decodeCheckpoint } from './checkpoint.js'
import { damageSentence, setDamageAside } from './damaged.js'
import { recordType, type Gap, type Plan, type Progress, type Source, type SourceRecord } from './port.js'
import { readPosition, writePosition } from './position-file.js'
import { recoverDeadWriters, type Finished } from './recovery.js'
import { doubtFlag, offsetOf, positionOf, segmentName, segmentOf, type StoredRecord } from './segment-format.js'
import { openSegment, type SegmentReader } from './segment-reader.js'
import { segmentsIn, writersIn } from './writer-folder.js'

/** A source over the folders of a journal, with what only a journal has. */
export interface JournalSource extends Source {
  /**
   * Gaps found by reading and not yet committed past by the first consumer, in order. To tell each once: write them under a token
   * of partition and `at`, then commit their `next` (or a later position).
   */
  gaps(partition: string): Promise<readonly Gap[]>
  /**
   * Resolves as soon as records may have come since this consumer last waited, at most after `ms`. Looks every 50 ms, and every 200 ms
   * once nothing has come for 2 s.
   */
  wait(consumer: string, ms: number): Promise<void>
  /** Recovers dead writers and removes what every consumer has behind it. Runs by itself once a second. */
  upkeep(): Promise<void>
  /** Bytes found behind torn records since this source was opened; they are kept in `damaged/`. */
  readonly tornBytes: number
}

interface Options {
  /** `WEIR_DATA/journal` */
  readonly dir: string
  /** All that read: a segment goes when each of them is past it. The first one tells the gaps. */
  readonly consumers: readonly string[]
  readonly now?: () => number
  /** Gets one sentence for people. */
  readonly log?: (sentence: string) => void
  readonly upkeepMs?: number
  /** Held by somebody else of this process, who gives it back; default: taken here (`readerLock`). */
  readonly lock?: FolderLock
}

const openReaders = 3
const pollMs = 50
/** Each look lists folders: a journal in which nothing happens is looked at less often. */
const quietPollMs = 200
const quietAfterMs = 2000
/** Prefix of folders on their way out: renamed first, so that a half removed one is never read. */
const going = '.going-'

/** One writer's folder, as far as this process knows it. */
interface Partition {
  readonly name: string
  readonly dir: string
  /** Newest use last. */
  readonly readers: Map<number, SegmentReader>
  readonly progress: Map<string, Progress>
  /** From a position up to where, as was seen, no more ends follow. */
  readonly quiet: Map<number, number>
  readonly gaps: Map<number, readonly Gap[]>
  /** Work on the folder, one after the other. */
  last: Promise<unknown>
}

/** One process reads a journal at a time. @throws FolderOwnedError when another does. */
export const readerLock = (dir: string): Promise<FolderLock> => acquireFolderLock(join(dir, 'consumer'))

/**
 * Opens the journal for reading: all writers' folders, each a partition, new ones as they come (storage.md §1).
 *
 * @throws FolderOwnedError when another process reads this journal already.
 */
export const openJournalSource = async (options: Options): Promise<JournalSource> => {
  const { dir, consumers, now = Date.now, log = () => undefined, upkeepMs = 1000 } = options
  const [teller] = consumers
  if (teller === undefined) throw new RangeError('A journal without a consumer would be removed unread.')
  const lock = options.lock ?? (await readerLock(dir))
  const partitions = new Map<string, Partition>()
  const finished: Finished = new Set()
  let tornBytes = 0
  let closed = false

  const partitionOf = (name: string): Partition => {
    let partition = partitions.get(name)
    if (partition === undefined) {
      partition = {
        name,
        dir: join(dir, name),
        readers: new Map(),
        progress: new Map(),
        quiet: new Map(),
        gaps: new Map(),
        last: Promise.resolve(),
      }
      partitions.set(name, partition)
    }
    return partition
  }

  /** Readers of one folder take turns, so that no file is closed or removed under another's hands. */
  const alone = <T>(partition: Partition, work: () => Promise<T>): Promise<T> => {
    const done = partition.last.then(work)
    partition.last = done.catch(() => undefined)
    return done
  }

  const closeReaders = async ({ readers }: Partition, which: (segment: number) => boolean): Promise<void> => {
    for (const [segment, reader] of readers)
      if (which(segment)) {
        readers.delete(segment)
        await reader.close()
      }
  }

  const readerOf = async (partition: Partition, segment: number): Promise<SegmentReader | null> => {
    const { readers } = partition
    const known = readers.get(segment)
    if (known !== undefined) {
      readers.delete(segment)
      readers.set(segment, known)
      return known
    }
    const reader = await openSegment(partition.dir, segment)
    if (reader === null) return null
    readers.set(segment, reader)
    const oldest = [...readers.keys()].slice(0, Math.max(0, readers.size - openReaders))
    await closeReaders(partition, (one) => oldest.includes(one))
    return reader
  }

  // --- reading

  /** @param told What lies before it was told: a consumer that is behind the first one passes it again. */
  const noteGaps = ({ gaps, name }: Partition, told: number, segment: number, { at, next, payload }: StoredRecord): void => {
    const position = { at: positionOf(segment, at), next: positionOf(segment, next) }
    if (position.at < told) return
    try {
      const found = decodeCheckpoint(payload).drops.map((drop): Gap => ({ ...position, ...drop }))
      if (found.length > 0) gaps.set(position.at, found)
    } catch {
      log(`Journal ${name}, segment ${segment}: the checkpoint at ${at} is of a newer Weir and is passed over.`)
    }
  }

  const setAside = async (partition: Partition, segment: number, { at, size }: { at: number; size: number }): Promise<void> => {
    if (size <= at) return
    await closeReaders(partition, (one) => one === segment)
    const damage = await setDamageAside(partition.dir, { writer: partition.name, segment, at, size })
    tornBytes += damage.bytes
    log(damageSentence(damage))
  }

  const readEnds = async (partition: Partition, from: number, max: number, maxBytes: number): Promise<SourceRecord[]> => {
    const { committed: told } = await progressOf(partition, teller)
    const records: SourceRecord[] = []
    let bytes = 0
    let position = partition.quiet.get(from) ?? from
    for (;;) {
      // Listed before the segment is read: one that has a successor now got its last record before this moment.
      const following = (await segmentsIn(partition.dir)).filter((number) => number >= segmentOf(position))
      const [segment, successor] = following
      if (segment === undefined) break
      const reader = await readerOf(partition, segment)
      if (reader === null) continue
      const reading = await reader.read(segment === segmentOf(position) ? offsetOf(position) : 0, (record) => {
        if (record.type === recordType.checkpoint) noteGaps(partition, told, segment, record)
        if (record.type !== recordType.end) return true
        // A record over the byte limit is given alone.
        if (records.length > 0 && bytes + record.payload.length > maxBytes) return false
        const { payload, at, next, flags } = record
        records.push({
          at: positionOf(segment, at),
          next: positionOf(segment, next),
          payload,
          doubt: (flags & doubtFlag) !== 0,
        })
        bytes += payload.length
        return records.length < max
      })
      position = positionOf(segment, reading.at)
      if (reading.why === 'enough') return records
      if (successor === undefined) break
      if (reading.why === 'torn') await setAside(partition, segment, reading)
      position = positionOf(successor, 0)
    }
    rememberQuiet(partition, records.at(-1)?.next ?? from, position)
    return records
  }

  const rememberQuiet = ({ quiet }: Partition, from: number, to: number): void => {
    quiet.delete(from)
    quiet.set(from, to)
    // As many as there are consumers, and as many that are on their way.
    if (quiet.size > 2 * consumers.length) quiet.delete(quiet.keys().next().value as number)
  }

  // --- positions

  const progressOf = async (partition: Partition, consumer: string): Promise<Progress> => {
    let progress = partition.progress.get(consumer)
    if (progress === undefined) {
      progress = await readPosition(partition.dir, consumer)
      partition.progress.set(consumer, progress)
    }
    return progress
  }

  const record = async (partition: Partition, consumer: string, progress: Progress): Promise<void> => {
    await writePosition(partition.dir, consumer, progress)
    partition.progress.set(consumer, progress)
  }

  /** Where a consumer is, or would be if it had read what holds no ends. */
  const reachedBy = async (partition: Partition, consumer: string): Promise<number> => {
    const { committed } = await progressOf(partition, consumer)
    return partition.quiet.get(committed) ?? committed
  }

  /** Every consumer is past what lies before it, and every gap before it is told. */
  const reachedByAll = async (partition: Partition): Promise<number> => {
    let least = Infinity
    for (const consumer of consumers) least = Math.min(least, await reachedBy(partition, consumer))
    return Math.min(least, ...partition.gaps.keys())
  }

  // --- upkeep

  const sizeOf = async ({ dir: folder }: Partition, segment: number): Promise<number> => {
    try {
      return (await stat(join(folder, segmentName(segment)))).size
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 0
      throw cause
    }
  }

  const clearAway = async (partition: Partition): Promise<void> => {
    const segments = await segmentsIn(partition.dir)
    const reached = await reachedByAll(partition)
    const newest = segments.at(-1)
    const end = newest === undefined ? 0 : positionOf(newest, await sizeOf(partition, newest))
    if (finished.has(partition.name) && reached >= end) return await removeFolder(partition)
    const behind = segments.filter((segment) => segment < segmentOf(reached))
    await closeReaders(partition, (segment) => behind.includes(segment))
    for (const segment of behind) await unlink(join(partition.dir, segmentName(segment)))
  }

  const removeFolder = async (partition: Partition): Promise<void> => {
    await closeReaders(partition, () => true)
    const gone = join(dir, `${going}${partition.name}`)
    await rename(partition.dir, gone)
    partitions.delete(partition.name)
    finished.delete(partition.name)
    await rm(gone, { recursive: true, force: true })
  }

  const upkeepOnce = async (): Promise<void> => {
    try {
      await recoverDeadWriters(dir, finished, { now, log })
    } finally {
      for (const name of await writersIn(dir)) {
        const partition = partitionOf(name)
        await alone(partition, () => clearAway(partition))
      }
    }
  }

  let chores: Promise<void> = Promise.resolve()
  const upkeep = (): Promise<void> => {
    const done = chores.then(upkeepOnce)
    chores = done.catch(() => undefined)
    return done
  }

  let trouble = ''
  let timer: NodeJS.Timeout | null = null
  const upkeepIn = (ms: number): void => {
    if (!closed) timer = setTimeout(() => void upkeepAndAgain(), ms).unref()
  }
  const upkeepAndAgain = async (): Promise<void> => {
    try {
      await upkeep()
      trouble = ''
      upkeepIn(upkeepMs)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      if (message !== trouble) log(`Upkeep of the journal failed, and is tried again: ${message}`)
      trouble = message
      upkeepIn(upkeepMs * 10)
    }
  }

  // --- waiting

  let growth = 0
  let grownAt = 0
  let seen = ''
  const metAt = new Map<string, number>()
  const look = async (): Promise<void> => {
    const sizes: string[] = []
    for (const name of await writersIn(dir)) {
      const newest = (await segmentsIn(join(dir, name))).at(-1)
      if (newest !== undefined) sizes.push(`${name} ${newest} ${await sizeOf(partitionOf(name), newest)}`)
    }
    const found = sizes.join('\n')
    if (found !== seen) {
      growth++
      grownAt = performance.now()
    }
    seen = found
  }

  const wait = async (consumer: string, ms: number): Promise<void> => {
    const until = performance.now() + ms
    const left = (): number => (closed ? 0 : until - performance.now())
    await look()
    while (growth === metAt.get(consumer) && left() > 0) {
      const everyMs = performance.now() - grownAt > quietAfterMs ? quietPollMs : pollMs
      await new Promise<void>((resolve) => setTimeout(resolve, Math.min(everyMs, left())))
      await look()
    }
    metAt.set(consumer, growth)
  }

  for (const name of await readdir(dir)) if (name.startsWith(going)) await rm(join(dir, name), { recursive: true, force: true })
  upkeepIn(0)

  return {
    partitions: () => writersIn(dir),
    read(name, from, max, maxBytes) {
      const partition = partitionOf(name)
      return alone(partition, () => readEnds(partition, from, max, maxBytes))
    },
    progress(name, consumer) {
      const partition = partitionOf(name)
      return alone(partition, () => progressOf(partition, consumer))
    },
    plan(name, consumer, plan: Plan) {
      const partition = partitionOf(name)
      return alone(partition, async () => {
        const { committed } = await progressOf(partition, consumer)
        await record(partition, consumer, { committed, planned: plan })
      })
    },
    commit(name, consumer, next) {
      const partition = partitionOf(name)
      return alone(partition, async () => {
        await record(partition, consumer, { committed: next, planned: null })
        if (consumer === teller) for (const at of partition.gaps.keys()) if (at < next) partition.gaps.delete(at)
      })
    },
    async lagBytes(consumer) {
      let bytes = 0
      for (const name of await writersIn(dir)) {
        const partition = partitionOf(name)
        bytes += await alone(partition, async () => {
          const reached = await reachedBy(partition, consumer)
          let behind = 0
          for (const segment of await segmentsIn(partition.dir)) {
            if (segment < segmentOf(reached)) continue
            const size = await sizeOf(partition, segment)
            behind += segment === segmentOf(reached) ? Math.max(0, size - offsetOf(reached)) : size
          }
          return behind
        })
      }
      return bytes
    },
    async gaps(name) {
      const partition = partitionOf(name)
      return await alone(partition, async () => [...partition.gaps].sort(([a], [b]) => a - b).flatMap(([, told]) => told))
    },
    wait,
    upkeep,
    get tornBytes() {
      return tornBytes
    },
    async close() {
      closed = true
      if (timer !== null) clearTimeout(timer)
      await chores
      for (const partition of partitions.values()) await alone(partition, () => closeReaders(partition, () => true))
      if (options.lock === undefined) await lock.release()
    },
  }
}
