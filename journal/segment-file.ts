import type { Disk } from './disk.js'

/** Most pieces one `writev` takes (IOV_MAX). */
const maxPieces = 1024

type Waiter = (failure: Error | null) => void

interface Waiting {
  /** Bytes of the segment that must be on the medium. */
  readonly until: number
  readonly done: Waiter
}

/** What a failed sync leaves behind: bytes that may or may not be on the medium, and who waits for them. */
export interface Unsynced {
  readonly from: number
  readonly to: number
  readonly waiters: readonly Waiter[]
  readonly cause: Error
}

interface Options {
  readonly disk: Disk
  readonly path: string
  readonly fd: number
  /** Called once, when a sync fails. The descriptor is given up: a later sync of it would claim success for lost pages. */
  readonly onSyncFailed: (segment: SegmentFile, left: Unsynced) => void
}

export interface SegmentFile {
  /** Bytes written; the next write goes there. */
  readonly bytes: number
  /**
   * Appends as far as the disk takes it.
   *
   * @returns How many bytes of `pieces` are in the file, and the fault that stopped it. Bytes of a last, partial piece count.
   */
  append(pieces: Uint8Array[], total: number): { readonly written: number; readonly cause: Error | null }
  /** Cuts the file back to `length`. @throws The disk's error. */
  cut(length: number): void
  /** Reads what was written before. */
  read(target: Uint8Array, position: number): number
  /** Starts a sync of everything written so far. `done`, if any, is called when it is on the medium. */
  sync(done?: Waiter): void
  /** Nothing more will be written: syncs if asked to, then closes. Resolves when closed. */
  finish(how: 'sync' | 'as it is'): Promise<void>
}

/** The file of one segment: writes at a known position, one sync at a time, and the folder's entry before the first of them. */
export const segmentFile = ({ disk, path, fd, onSyncFailed }: Options): SegmentFile => {
  let bytes = 0
  let synced = 0
  let named = false
  let syncing = false
  /** Asked for while one was running: what was written since is not in it. */
  let again = false
  let failed = false
  let waiting: Waiting[] = []
  let onIdle: (() => void) | null = null

  const start = (): void => {
    syncing = true
    again = false
    const until = bytes
    const settle = (cause: Error | null): void => {
      syncing = false
      if (cause === null) {
        named = true
        synced = until
        const ready = waiting.filter((one) => one.until <= until)
        waiting = waiting.filter((one) => one.until > until)
        for (const { done } of ready) done(null)
        if ((again || waiting.length > 0) && !syncing) start()
      } else {
        failed = true
        const waiters = waiting.map(({ done }) => done)
        waiting = []
        onSyncFailed(self, { from: synced, to: bytes, waiters, cause })
      }
      if (!syncing) onIdle?.()
    }
    const syncData = (): void => disk.fdatasync(fd, settle)
    if (named) syncData()
    else disk.syncFolderOf(path, (cause) => (cause === null ? syncData() : settle(cause)))
  }

  const self: SegmentFile = {
    get bytes() {
      return bytes
    },
    append(pieces, total) {
      let written = 0
      let rest = pieces
      try {
        while (written < total) {
          const batch = rest.length <= maxPieces ? rest : rest.slice(0, maxPieces)
          const n = disk.writev(fd, batch, bytes + written)
          if (n === 0) throw Object.assign(new Error('The disk took no bytes.'), { code: 'EIO' })
          written += n
          if (written < total) rest = after(rest, n)
        }
      } catch (cause) {
        bytes += written
        return { written, cause: cause as Error }
      }
      bytes += written
      return { written, cause: null }
    },
    cut(length) {
      bytes = length
      synced = Math.min(synced, length)
      disk.truncate(fd, length)
    },
    read: (target, position) => disk.read(fd, target, position),
    sync(done) {
      if (failed) {
        if (done !== undefined) queueMicrotask(() => done(new Error('The segment was given up after a failed sync.')))
        return
      }
      if (done !== undefined) waiting.push({ until: bytes, done })
      if (syncing) again = true
      else if (synced < bytes || waiting.length > 0) start()
    },
    async finish(how) {
      if (how === 'sync' && !failed && synced < bytes) await new Promise<void>((resolve) => self.sync(() => resolve()))
      if (syncing) await new Promise<void>((resolve) => (onIdle = resolve))
      disk.close(fd)
    },
  }
  return self
}

/** The pieces that remain when the first `bytes` of them are written. */
const after = (pieces: readonly Uint8Array[], bytes: number): Uint8Array[] => {
  let left = bytes
  let i = 0
  while (left > 0 && left >= (pieces[i] as Uint8Array).length) left -= (pieces[i++] as Uint8Array).length
  const rest = pieces.slice(i)
  if (left > 0) rest[0] = (rest[0] as Uint8Array).subarray(left)
  return rest
}
