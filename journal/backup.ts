import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeDisk } from './disk.js'
import { segmentName } from './segment-format.js'
import { openSegment } from './segment-reader.js'
import { segmentWriter } from './segment-writer.js'
import { segmentsIn, writersIn } from './writer-folder.js'

const isGone = (cause: unknown): boolean => (cause as NodeJS.ErrnoException).code === 'ENOENT'

/** Copies a file up to `bytes`: its writer may be behind that already. */
const copyHead = async (from: string, to: string, bytes: number): Promise<void> => {
  const [source, target] = [await open(from, 'r'), await open(to, 'wx', 0o600)]
  try {
    const block = Buffer.allocUnsafe(1024 * 1024)
    for (let at = 0; at < bytes;) {
      const { bytesRead } = await source.read(block, 0, Math.min(block.length, bytes - at), at)
      if (bytesRead === 0) break
      await target.write(block, 0, bytesRead)
      at += bytesRead
    }
    await target.sync()
  } finally {
    await source.close()
    await target.close()
  }
}

/** Whole records only: what a writer has begun to write is not there yet. @returns False when the segment is gone, or has no head. */
const copyNewest = async (from: string, to: string, segment: number): Promise<boolean> => {
  const reader = await openSegment(from, segment)
  if (reader === null) return false
  try {
    const { at } = await reader.read(0, () => true)
    if (at === 0) return false
    await copyHead(join(from, segmentName(segment)), join(to, segmentName(segment)), at)
    return true
  } finally {
    await reader.close()
  }
}

const copyOlder = async (from: string, to: string, segment: number): Promise<void> => {
  const [source, target] = [join(from, segmentName(segment)), join(to, segmentName(segment))]
  try {
    await link(source, target).catch(async (cause: unknown) => {
      if (isGone(cause)) throw cause
      await copyFile(source, target, constants.COPYFILE_EXCL)
    })
  } catch (cause) {
    // Every consumer is past it, and it was cleared away.
    if (!isGone(cause)) throw cause
  }
}

/** Says in the copy that its writer is done, with nothing open: calls that were under way are not in it. */
const close = async (dir: string, writer: string, first: number, now: () => number): Promise<void> => {
  const journal = await segmentWriter({
    dir,
    writer,
    disk: nodeDisk,
    durability: 'strict',
    now,
    limitBytes: Infinity,
    measure: async () => 0,
    segmentBytes: Infinity,
    segmentMs: Infinity,
    first,
    release: () => Promise.resolve(),
  })
  await journal.close()
}

const copyWriter = async (from: string, to: string, writer: string, now: () => number): Promise<void> => {
  await mkdir(to, { recursive: true, mode: 0o700 })
  // Positions first: none of them then lies behind what is copied.
  for (const name of await readdir(from)) if (name.endsWith('.pos')) await copyFile(join(from, name), join(to, name))
  const segments = await segmentsIn(from)
  const newest = segments.at(-1)
  for (const segment of segments.slice(0, -1)) await copyOlder(from, to, segment)
  const copied = newest !== undefined && (await copyNewest(from, to, newest))
  if (copied) return await close(to, writer, newest + 1, now)
  if ((await segmentsIn(to)).length === 0) return await rm(to, { recursive: true, force: true })
  await close(to, writer, (newest ?? 0) + 1, now)
}

/**
 * A copy of a journal whose writers go on writing: whole records, and how far each consumer has come. Ingest commits nothing meanwhile.
 * Calls under way are not in it: in the copy they have neither a row nor a `proxy_lost`.
 *
 * @param to A folder that does not exist.
 */
export const copyJournal = async (dir: string, to: string, now: () => number): Promise<void> => {
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const writer of await writersIn(dir))
    try {
      await copyWriter(join(dir, writer), join(to, writer), writer, now)
    } catch (cause) {
      // Read by all, and removed at this moment.
      if (!isGone(cause)) throw cause
      await rm(join(to, writer), { recursive: true, force: true })
    }
}
