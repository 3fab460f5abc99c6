import { recordType } from './port.js'
import type { SegmentFile } from './segment-file.js'
import {
  doubtFlag,
  maxPayloadBytes,
  payloadBytes,
  recordHeadBytes,
  segmentHeadBytes,
  visitRecords,
  writeRecordHead,
} from './segment-format.js'

const blockBytes = maxPayloadBytes + recordHeadBytes

const kinds = new Map<number, 'start' | 'end'>([
  [recordType.start, 'start'],
  [recordType.end, 'end'],
])

/** The events of a block once more, marked: they may now lie at two positions. */
const doubled = (block: Buffer): { readonly pieces: Uint8Array[]; readonly read: number } => {
  const pieces: Uint8Array[] = []
  const { at } = visitRecords(block, 0, ({ type, payload }) => {
    const kind = kinds.get(type)
    if (kind !== undefined) {
      const head = Buffer.allocUnsafe(recordHeadBytes)
      writeRecordHead(head, 0, { type: kind, flags: doubtFlag, payload: [payload], length: payload.length })
      pieces.push(head, payload)
    }
    return true
  })
  return { pieces, read: at }
}

/**
 * Copies the events between two positions of a segment whose sync failed. Checkpoints stay behind: the new segment has its own.
 *
 * @returns The position up to which every record was copied.
 * @throws The disk's error.
 */
export const copyRecords = (
  old: SegmentFile,
  { from, to }: { readonly from: number; readonly to: number },
  append: (pieces: Uint8Array[], bytes: number) => void,
): number => {
  let at = Math.max(from, segmentHeadBytes)
  while (at < to) {
    const block = Buffer.allocUnsafe(Math.min(blockBytes, to - at))
    const { pieces, read } = doubled(block.subarray(0, old.read(block, at)))
    append(pieces, payloadBytes(pieces))
    if (read === 0) break
    at += read
  }
  return at
}
