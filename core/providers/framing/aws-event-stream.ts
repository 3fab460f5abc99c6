import { crc32 } from 'node:zlib'
import { latin1 } from '../json-text.js'
import type { OnEvent, Splitter } from './sse.js'

/** Total length u32, header length u32, CRC-32 of these eight bytes; all numbers big-endian. */
const preludeBytes = 12
/** Behind the payload: CRC-32 of all before it. */
const trailerBytes = 4
const minFrameBytes = preludeBytes + trailerBytes
const maxFrameBytes = 16 * 1024 * 1024
/** A larger buffer is not kept for the next frame that comes in pieces. */
const keptBytes = 64 * 1024

/** Before the type of an exception, in the name of an event that tells of one. */
const exceptionMark = 'exception:'

/** The type of the exception an event tells of (`throttlingException`); `null` for any other event. */
export const exceptionIn = (name: string | null): string | null =>
  name !== null && name.startsWith(exceptionMark) ? name.slice(exceptionMark.length) : null

/** Bytes a value of each type takes; -1: its length is told in the two bytes before it. Types: true, false, byte ... timestamp, UUID. */
const valueBytes = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16]
const textType = 7

/** Headers that hold text, as latin1. @returns `null` when the bytes are no headers. */
const textHeaders = (frame: Buffer, from: number, to: number): ReadonlyMap<string, string> | null => {
  const headers = new Map<string, string>()
  for (let at = from; at < to;) {
    const nameEnd = at + 1 + (frame[at] as number)
    if (nameEnd === at + 1 || nameEnd >= to) return null
    const type = frame[nameEnd] as number
    let start = nameEnd + 1
    let length = valueBytes[type]
    if (length === undefined) return null
    if (length === -1) {
      if (start + 2 > to) return null
      length = frame.readUInt16BE(start)
      start += 2
    }
    if (start + length > to) return null
    if (type === textType) headers.set(latin1(frame, at + 1, nameEnd), latin1(frame, start, start + length))
    at = start + length
  }
  return headers
}

/** Where the frame that begins at `at` ends; `null` when no frame begins there. Twelve bytes must follow. */
export const frameEnd = (bytes: Buffer, at: number, most = maxFrameBytes): number | null => {
  const total = bytes.readUInt32BE(at)
  if (total < minFrameBytes || total > most || bytes.readUInt32BE(at + 4) > total - minFrameBytes) return null
  return crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32BE(at + 8) ? at + total : null
}

const isWhole = (frame: Buffer): boolean => {
  const end = frame.length - trailerBytes
  return crc32(frame.subarray(0, end)) === frame.readUInt32BE(end)
}

/** What an error frame tells in its headers, as the JSON a payload would be. */
const errorPayload = (message: string): string =>
  latin1(Buffer.from(JSON.stringify({ message: Buffer.from(message, 'latin1').toString() })))

const dispatch = (frame: Buffer, onEvent: OnEvent, note: (note: string) => void): void => {
  const headersEnd = preludeBytes + frame.readUInt32BE(4)
  const headers = textHeaders(frame, preludeBytes, headersEnd)
  if (headers === null) return note('malformed')
  const payload = latin1(frame, headersEnd, frame.length - trailerBytes)
  const type = headers.get(':message-type')
  if (type === 'exception') {
    onEvent(payload, exceptionMark + (headers.get(':exception-type') ?? ''))
  } else if (type === 'error') {
    const message = headers.get(':error-message')
    onEvent(
      payload === '' && message !== undefined ? errorPayload(message) : payload,
      exceptionMark + (headers.get(':error-code') ?? ''),
    )
  } else onEvent(payload, headers.get(':event-type') ?? null)
}

/**
 * Splits the frames of an AWS event stream (`application/vnd.amazon.eventstream`). An event's data is the payload, its name the
 * `:event-type`; that of an exception or error is marked, see `exceptionIn`.
 *
 * A wrong checksum or an impossible length ends the reading: behind it nothing says where a frame begins. Notes: `bad_checksum`,
 * `bad_length`; `malformed` for a frame whose headers are none.
 */
export const awsEventStreamSplitter = (onEvent: OnEvent, note: (note: string) => void, most = maxFrameBytes): Splitter => {
  let held = Buffer.alloc(0)
  let heldBytes = 0
  /** Of the frame that is held in part; 0 = not known yet. */
  let wanted = 0
  let stopped = false

  const stop = (why: string): void => {
    note(why)
    stopped = true
    held = Buffer.alloc(0)
    heldBytes = 0
  }

  /** @returns Where the frame at `at` ends, 0 when its prelude is not whole, -1 when it was refused. */
  const endOf = (bytes: Buffer, at: number): number => {
    if (bytes.length - at < preludeBytes) return 0
    const end = frameEnd(bytes, at, most)
    if (end !== null) return end
    stop(crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32BE(at + 8) ? 'bad_length' : 'bad_checksum')
    return -1
  }

  /** @returns False when the frame was refused. */
  const finish = (frame: Buffer): boolean => {
    const whole = isWhole(frame)
    if (whole) dispatch(frame, onEvent, note)
    else stop('bad_checksum')
    return whole
  }

  /** Grows by doubling: what a frame claims to be is not taken from memory before it came. */
  const hold = (piece: Buffer): void => {
    if (heldBytes + piece.length > held.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, 2 * held.length, heldBytes + piece.length))
      held.copy(larger, 0, 0, heldBytes)
      held = larger
    }
    piece.copy(held, heldBytes)
    heldBytes += piece.length
  }

  /** Adds to the held frame what is missing of it. @returns How much of the chunk that was; -1 when the frame was refused. */
  const complete = (chunk: Buffer): number => {
    let taken = 0
    if (wanted === 0) {
      taken = Math.min(preludeBytes - heldBytes, chunk.length)
      hold(chunk.subarray(0, taken))
      const end = endOf(held.subarray(0, heldBytes), 0)
      if (end <= 0) return end < 0 ? end : taken
      wanted = end
    }
    const more = Math.min(wanted - heldBytes, chunk.length - taken)
    hold(chunk.subarray(taken, taken + more))
    if (heldBytes < wanted) return taken + more
    const frame = held.subarray(0, wanted)
    heldBytes = wanted = 0
    const accepted = finish(frame)
    if (held.length > keptBytes) held = Buffer.alloc(0)
    return accepted ? taken + more : -1
  }

  return {
    push: (chunk) => {
      if (stopped) return
      let at = heldBytes > 0 ? complete(chunk) : 0
      while (at >= 0 && at < chunk.length) {
        const end = endOf(chunk, at)
        if (end < 0) return
        if (end === 0 || end > chunk.length) {
          wanted = end === 0 ? 0 : end - at
          hold(chunk.subarray(at))
          return
        }
        at = finish(chunk.subarray(at, end)) ? end : -1
      }
    },
    // A frame that was cut has no checksum: nothing of it is read.
    end: () => undefined,
    atBoundary: () => heldBytes === 0 && !stopped,
  }
}
