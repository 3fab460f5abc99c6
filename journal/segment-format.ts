import { crc32 } from 'node:zlib'
import { recordType } from './port.js'

/** Bytes of a segment's header: magic 8, writer 16, number u64, created ms u64, flags u32, CRC-32 of these 44 (storage.md §1). */
export const segmentHeadBytes = 48
/** Bytes before a payload: its length u32, CRC-32 of all that follows, type u8, flags u8, 0 u16. */
export const recordHeadBytes = 12
/** A longer payload is never written, and a longer length never believed. */
export const maxPayloadBytes = 8 * 1024 * 1024
/** Record flag: the same event may also lie at another position. */
export const doubtFlag = 1

export type RecordType = keyof typeof recordType

const magic = Buffer.from('WEIRSEG1', 'latin1')

export interface SegmentHead {
  readonly writer: string
  readonly number: number
  readonly createdMs: number
}

export const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.seg`

/** The number in the name of a segment file; `null` for any other name. */
export const segmentNumber = (name: string): number | null => (/^\d{10}\.seg$/.test(name) ? Number(name.slice(0, 10)) : null)

/** Folders of writers are named by their UUID; everything else in the journal's folder is not a writer. */
export const isWriterName = (name: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)

const segmentSpan = 2 ** 32
export const positionOf = (segment: number, offset: number): number => segment * segmentSpan + offset
export const segmentOf = (position: number): number => Math.floor(position / segmentSpan)
export const offsetOf = (position: number): number => position % segmentSpan

export const encodeSegmentHead = ({ writer, number, createdMs }: SegmentHead): Buffer => {
  const head = Buffer.alloc(segmentHeadBytes)
  magic.copy(head)
  head.write(writer.replaceAll('-', ''), 8, 'hex')
  head.writeBigUInt64LE(BigInt(number), 24)
  head.writeBigUInt64LE(BigInt(createdMs), 32)
  head.writeUInt32LE(crc32(head.subarray(0, 44)), 44)
  return head
}

/** @returns `null` when the bytes are not a whole, undamaged header. */
export const decodeSegmentHead = (head: Buffer): SegmentHead | null => {
  if (head.length < segmentHeadBytes || !head.subarray(0, 8).equals(magic)) return null
  if (head.readUInt32LE(44) !== crc32(head.subarray(0, 44))) return null
  const hex = head.toString('hex', 8, 24)
  return {
    writer: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
    number: Number(head.readBigUInt64LE(24)),
    createdMs: Number(head.readBigUInt64LE(32)),
  }
}

/** CRC-32 of the four bytes between checksum and payload: it is the same for every record of a kind, so it is computed once. */
const seeds = [0, doubtFlag].map((flags) => [0, 1, 2, 3].map((type) => crc32(Buffer.from([type, flags, 0, 0]))))

export const payloadBytes = (payload: readonly Uint8Array[]): number => {
  let bytes = 0
  for (const piece of payload) bytes += piece.length
  return bytes
}

export interface RecordHead {
  readonly type: RecordType
  readonly flags: 0 | typeof doubtFlag
  readonly payload: readonly Uint8Array[]
  /** Of the payload's pieces together. */
  readonly length: number
}

/** Writes the 12 bytes that precede a payload into `target` at `at`. The payload itself is only read. */
export const writeRecordHead = (target: Buffer, at: number, { type, flags, payload, length }: RecordHead): void => {
  const code = recordType[type]
  let crc = (seeds[flags] as number[])[code] as number
  // An empty piece without memory behind it (undici hands one over when a paused socket goes on) would begin the sum anew.
  for (const piece of payload) if (piece.length > 0) crc = crc32(piece, crc)
  target.writeUInt32LE(length, at)
  target.writeUInt32LE(crc, at + 4)
  target.writeUInt32LE(code | (flags << 8), at + 8)
}

/** One record, as it stands in `block`. `payload` is a view. */
export interface StoredRecord {
  /** Of the first byte of its head, in the block. */
  readonly at: number
  readonly next: number
  /** A type this Weir does not know is kept as its number: it is passed over. */
  readonly type: number
  readonly flags: number
  readonly payload: Buffer
}

/**
 * Why reading stopped: `end` exactly behind a record, `short` inside one (`needs` bytes are wanted from `at` on),
 * `bad` at bytes that are not a record.
 */
export interface Stop {
  readonly why: 'end' | 'short' | 'bad' | 'enough'
  /** Behind the last whole record. */
  readonly at: number
  readonly needs: number
}

/**
 * Visits the whole records of a block in order, until one is not whole or `visit` answers false.
 *
 * @param visit Not called for records that fail their checksum. False: this record is the last one that is wanted now.
 */
export const visitRecords = (block: Buffer, from: number, visit: (record: StoredRecord) => boolean): Stop => {
  let at = from
  for (;;) {
    const left = block.length - at
    if (left === 0) return { why: 'end', at, needs: recordHeadBytes }
    if (left < 4) return { why: 'short', at, needs: recordHeadBytes }
    const length = block.readUInt32LE(at)
    if (length > maxPayloadBytes) return { why: 'bad', at, needs: 0 }
    const size = recordHeadBytes + length
    if (left < size) return { why: 'short', at, needs: size }
    if (block.readUInt32LE(at + 4) !== crc32(block.subarray(at + 8, at + size))) return { why: 'bad', at, needs: 0 }
    const record: StoredRecord = {
      at,
      next: at + size,
      type: block[at + 8] as number,
      flags: block[at + 9] as number,
      payload: block.subarray(at + recordHeadBytes, at + size),
    }
    at += size
    if (!visit(record)) return { why: 'enough', at, needs: 0 }
  }
}
