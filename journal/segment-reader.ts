import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeSegmentHead, segmentHeadBytes, segmentName, visitRecords, type StoredRecord } from './segment-format.js'

const blockBytes = 1024 * 1024

/**
 * Where reading a segment stopped. `end`: behind its last record, so far. `torn`: at bytes that are not, or not yet, a whole
 * record; in a segment that is still written to, try later. `enough`: the visitor wanted no more.
 */
export interface Reading {
  readonly why: 'end' | 'torn' | 'enough'
  /** Behind the last whole record. */
  readonly at: number
  /** Bytes of the file when it was last looked at. */
  readonly size: number
}

export interface SegmentReader {
  /**
   * Visits whole, undamaged records in order. Payloads are views into blocks of their own: they may be kept.
   *
   * @param from Offset of a record; 0 = the first.
   * @param visit Gets offsets in the file. False: enough.
   */
  read(from: number, visit: (record: StoredRecord) => boolean): Promise<Reading>
  close(): Promise<void>
}

/** Opens one segment of a writer's folder. @returns `null` when it is gone. */
export const openSegment = async (dir: string, number: number): Promise<SegmentReader | null> => {
  let file: FileHandle
  try {
    file = await open(join(dir, segmentName(number)), 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw cause
  }
  let headIsGood = false

  const block = async (at: number, bytes: number): Promise<Buffer> => {
    const target = Buffer.allocUnsafeSlow(bytes)
    let filled = 0
    while (filled < bytes) {
      const { bytesRead } = await file.read(target, filled, bytes - filled, at + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return target.subarray(0, filled)
  }

  const readFrom = async (from: number, told: number, visit: (record: StoredRecord) => boolean): Promise<Reading> => {
    let at = from
    let size = told
    let wanted = blockBytes
    while (at < size) {
      const asked = Math.min(wanted, size - at)
      const bytes = await block(at, asked)
      const start = at
      // The writer has just cut a partial record off again.
      if (bytes.length < asked) size = start + bytes.length
      const stop = visitRecords(bytes, 0, (record) => visit({ ...record, at: start + record.at, next: start + record.next }))
      at = start + stop.at
      if (stop.why === 'enough') return { why: 'enough', at, size }
      if (stop.why === 'bad') return { why: 'torn', at, size }
      // Nothing whole although the block reached as far as it had to, or as far as the file does.
      if (stop.why === 'short' && at + stop.needs > size) return { why: 'torn', at, size }
      wanted = Math.max(blockBytes, stop.needs)
    }
    return { why: at > size ? 'torn' : 'end', at, size }
  }

  return {
    async read(from, visit) {
      const { size } = await file.stat()
      if (!headIsGood) headIsGood = decodeSegmentHead(await block(0, segmentHeadBytes))?.number === number
      if (!headIsGood) return { why: 'torn', at: 0, size }
      return await readFrom(Math.max(from, segmentHeadBytes), size, visit)
    },
    close: () => file.close(),
  }
}
