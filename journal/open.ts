import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { acquireFolderLock } from '../core/folder-lock.js'
import { uuidv7 } from '../core/ids.js'
import type { Drop } from './checkpoint.js'
import { nodeDisk, type Disk } from './disk.js'
import { folderSize } from './folder-size.js'
import type { Durability, JournalWriter } from './port.js'
import { segmentWriter } from './segment-writer.js'

export const segmentLimits = { bytes: 64 * 1024 * 1024, ms: 3_600_000 } as const

interface Options {
  /** `WEIR_DATA/journal`; created when it is missing. */
  readonly dir: string
  readonly durability: Durability
  /** Of the whole folder, all writers together: `journalLimitBytes`. */
  readonly limitBytes: number
  readonly now: () => number
  readonly disk?: Disk
  /** When a new segment is begun. Default 64 MiB, or an eighth of a small limit: a segment still written to cannot be cleared away. */
  readonly segmentBytes?: number
  /** Each of its records may also lie elsewhere: they are looked up before they are stored. */
  readonly doubt?: boolean
  /** Drops of another journal, to be told by this one. */
  readonly drops?: readonly Drop[]
}

/**
 * Opens the journal for this process, as a writer of its own: a new folder, its lock, its first segment.
 *
 * @throws Error when the folder cannot be made or written to.
 */
export const openJournal = async (options: Options): Promise<JournalWriter> => {
  const { dir, durability, limitBytes, now, disk = nodeDisk } = options
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const writer = uuidv7(now())
  const own = join(dir, writer)
  const lock = await acquireFolderLock(own)
  try {
    return await segmentWriter({
      dir: own,
      writer,
      disk,
      durability,
      now,
      limitBytes,
      measure: folderSize(dir),
      segmentBytes: options.segmentBytes ?? Math.min(segmentLimits.bytes, Math.max(64 * 1024, Math.floor(limitBytes / 8))),
      segmentMs: segmentLimits.ms,
      first: 1,
      doubt: options.doubt ?? false,
      drops: options.drops ?? [],
      release: () => lock.release(),
    })
  } catch (cause) {
    await lock.release()
    throw cause
  }
}
