import { mkdir, open, rename, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { segmentHeadBytes, segmentName } from './segment-format.js'
import { syncFolder } from './sync-folder.js'

/** Bytes of a segment that are not whole records, and where they are kept. */
export interface Damage {
  readonly writer: string
  readonly segment: number
  readonly at: number
  readonly bytes: number
  readonly keptIn: string
}

const copyRange = async (from: string, to: string, start: number, end: number): Promise<void> => {
  const source = await open(from, 'r')
  const target = await open(to, 'w', 0o600)
  try {
    const block = Buffer.allocUnsafe(1024 * 1024)
    let at = start
    while (at < end) {
      const { bytesRead } = await source.read(block, 0, Math.min(block.length, end - at), at)
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

/**
 * Ends a segment at its last whole record: what lies behind goes to `damaged/`, then the segment is cut, so that the next reader
 * finds it whole. Without a good header all of it is damage, and the segment goes. Only for segments nobody writes to.
 *
 * @param at Behind the last whole record. @param size Of the file.
 */
export const setDamageAside = async (
  dir: string,
  {
    writer,
    segment,
    at,
    size,
  }: { readonly writer: string; readonly segment: number; readonly at: number; readonly size: number },
): Promise<Damage> => {
  const damaged = join(dirname(dir), 'damaged')
  await mkdir(damaged, { recursive: true, mode: 0o700 })
  const path = join(dir, segmentName(segment))
  const keptIn = join(damaged, `${writer}-${segmentName(segment)}-${at}`)
  if (at < segmentHeadBytes) await rename(path, keptIn)
  else {
    await copyRange(path, `${keptIn}.draft`, at, size)
    await rename(`${keptIn}.draft`, keptIn)
    await syncFolder(damaged)
    await truncate(path, at)
  }
  await syncFolder(damaged)
  return { writer, segment, at, bytes: size - at, keptIn }
}

export const damageSentence = ({ writer, segment, at, bytes, keptIn }: Damage): string =>
  `Journal ${writer}, segment ${segment}: ${bytes} bytes from offset ${at} on are not whole records. ` +
  `Everything before them is read; they are kept in ${keptIn}.`
