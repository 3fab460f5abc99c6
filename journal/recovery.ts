import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { decodeExchange, encodeExchange } from '../core/exchange.js'
import { acquireFolderLock, FolderOwnedError, ownerOf, type FolderLock } from '../core/folder-lock.js'
import { decodeCheckpoint } from './checkpoint.js'
import { nodeDisk } from './disk.js'
import { recordType, type JournalWriter } from './port.js'
import { openSegment } from './segment-reader.js'
import { segmentWriter } from './segment-writer.js'
import { segmentsIn, writersIn } from './writer-folder.js'
import type { StoredRecord } from './segment-format.js'

export interface Left {
  /** Payloads of starts without an end, by id. */
  readonly open: ReadonlyMap<string, Buffer>
  /** The last record is a closing checkpoint. */
  readonly closed: boolean
  /** Starts that cannot be read, as those of a newer Weir. */
  readonly unreadable: number
}

const idOf = (payload: Buffer): string | null => {
  try {
    return decodeExchange(payload).id
  } catch {
    return null
  }
}

/** Takes in the records of segments in order, from one that has a whole checkpoint at its beginning. */
const folding = () => {
  let open = new Map<string, Buffer>()
  /** Of a checkpoint whose last record has not come: a torn one says nothing. */
  let draft: Map<string, Buffer> | null = null
  let closed = false
  let based = false
  let unreadable = 0

  const checkpoint = (payload: Buffer): void => {
    const { kind, more, starts, ended } = decodeCheckpoint(payload)
    if (kind === 'drops') {
      for (const id of ended) open.delete(id)
      return
    }
    draft ??= new Map()
    for (const [id, start] of starts) draft.set(id, start)
    closed = kind === 'closed' && !more
    if (more) return
    open = draft
    draft = null
    based ||= kind === 'open'
  }

  const started = (payload: Buffer): void => {
    const id = idOf(payload)
    if (id === null) unreadable++
    else open.set(id, payload)
  }

  const ended = (payload: Buffer): void => {
    // An end nobody can read is none: its start stays open.
    const id = idOf(payload)
    if (id !== null) open.delete(id)
  }

  return {
    take({ type, payload }: StoredRecord): void {
      if (type === recordType.checkpoint) return checkpoint(payload)
      closed = false
      if (type === recordType.start) started(payload)
      else if (type === recordType.end) ended(payload)
    },
    /** A whole checkpoint of open starts was met: older segments say nothing more. */
    get based() {
      return based
    },
    left: (): Left => ({ open, closed, unreadable }),
  }
}

/** What a writer left open. Reads its newest segment, and older ones only where that one's checkpoint is torn. */
export const whatIsLeft = async (dir: string, segments: readonly number[]): Promise<Left> => {
  for (let first = segments.length - 1; ; first--) {
    const fold = folding()
    let base = first <= 0
    for (const number of segments.slice(Math.max(first, 0))) {
      const reader = await openSegment(dir, number)
      if (reader === null) continue
      try {
        await reader.read(0, (record) => {
          fold.take(record)
          return true
        })
      } finally {
        await reader.close()
      }
      base ||= fold.based
      if (!base) break
    }
    if (base) return fold.left()
  }
}

/** The end of a call whose proxy died: what its start says, and that no more is known. */
export const lostEnd = (payload: Buffer): { readonly tenant: string; readonly payload: Uint8Array[] } => {
  const start = decodeExchange(payload)
  const { reqBody } = start
  return {
    tenant: start.tenant,
    payload: encodeExchange({
      ...start,
      kind: 'end',
      status: 0,
      outcome: 'proxy_lost',
      error: { kind: 'internal', code: 'proxy_lost', message: 'The proxy ended before this call did.' },
      usageRaw: [],
      reqBody: reqBody === null ? null : { ...reqBody, pieces: [reqBody.bytes], length: reqBody.bytes.length },
      resBody: null,
    }),
  }
}

interface Chores {
  readonly now: () => number
  /** Gets one sentence for people. */
  readonly log: (sentence: string) => void
}

const appendEnd = (journal: JournalWriter, id: string, start: Buffer): Promise<Error | null> => {
  const { tenant, payload } = lostEnd(start)
  return new Promise((resolve) => journal.append('end', id, tenant, payload, 'standard', resolve))
}

/** Writes the missing ends into a new segment behind the last one. The lock is held; killed on the way, it can be done again. */
const writeEnds = async (dir: string, lock: FolderLock, { now, log }: Chores): Promise<void> => {
  const writer = basename(dir)
  const segments = await segmentsIn(dir)
  const { open, closed, unreadable } = await whatIsLeft(dir, segments)
  if (closed && open.size === 0) return
  const journal = await segmentWriter({
    dir,
    writer,
    disk: nodeDisk,
    durability: 'standard',
    now,
    limitBytes: Infinity,
    measure: async () => 0,
    segmentBytes: Infinity,
    segmentMs: Infinity,
    first: (segments.at(-1) ?? 0) + 1,
    open: [...open].map(([id, start]) => [id, [start]] as const),
    release: () => lock.release(),
  })
  const failures = await Promise.all([...open].map(([id, start]) => appendEnd(journal, id, start)))
  await journal.close()
  const written = failures.filter((failure) => failure === null).length
  if (open.size > 0) log(`Proxy ${writer} ended with ${open.size} open calls: ${written} are recorded as proxy_lost.`)
  if (unreadable > 0) log(`Proxy ${writer} left ${unreadable} starts that this Weir cannot read: they are not recorded.`)
}

/** Writers that are closed with nothing open: they get no more records. */
export type Finished = Set<string>

/**
 * Gives every call that was open in a dead proxy its end, `proxy_lost`, and closes the folder (storage.md §1). Living and frozen
 * writers are left alone.
 *
 * @param finished Writers found finished are added; those in it are not looked at again.
 * @throws The first fault met, after all writers were tried.
 */
export const recoverDeadWriters = async (journal: string, finished: Finished, chores: Chores): Promise<void> => {
  const faults: unknown[] = []
  for (const writer of await writersIn(journal)) {
    if (finished.has(writer)) continue
    try {
      if (await recoverWriter(join(journal, writer), chores)) finished.add(writer)
    } catch (cause) {
      if (!(cause instanceof FolderOwnedError)) faults.push(cause)
    }
  }
  if (faults.length > 0) throw faults[0]
}

/** @returns Whether the writer is finished. */
const recoverWriter = async (dir: string, chores: Chores): Promise<boolean> => {
  const segments = await segmentsIn(dir)
  if ((await ownerOf(dir)) !== null) return false
  // Without a lock a process is just starting here. With a dead one it died in its first milliseconds.
  if (segments.length === 0) return (await readdir(dir)).some((name) => name.startsWith('lock.'))
  const { open, closed } = await whatIsLeft(dir, segments)
  if (closed && open.size === 0) return true
  const lock = await acquireFolderLock(dir)
  try {
    await writeEnds(dir, lock, chores)
    return true
  } finally {
    await lock.release()
  }
}
