import { isUtf8 } from 'node:buffer'
import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { codingsOf, isReadable, maxDecodedBytes } from '../../core/providers/framing/decode.js'
import { unpackZstd } from '../../core/providers/framing/zstd.js'
import { isZstd } from '../../core/providers/framing/zstd-frames.js'
import { eventStreamText, isAwsEventStream } from '../../core/providers/framing/event-stream-text.js'
import type { StoredBody } from '../../core/exchange.js'
import type { BodyState } from './enriched.js'

/** A stored body as text. `text` is empty unless the state is `stored` or `truncated`. */
export interface BodyText {
  readonly state: BodyState
  readonly text: string
}

/** A body kept in part holds its first 3/4 and its last 1/4. */
const headShare = 3 / 4
/** Stands in the text where the middle is missing. */
export const cutMark = '\n\n[... the middle of this body was not stored ...]\n\n'

const limits = { maxOutputLength: maxDecodedBytes }
const flushed = { ...limits, finishFlush: constants.Z_SYNC_FLUSH }

const decodeOnce = (coding: string, bytes: Buffer): Buffer => {
  const first = bytes[0] as number
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return first === 0x1f ? gunzipSync(bytes, flushed) : bytes
    case 'deflate':
      return (first & 0x0f) === 8 ? inflateSync(bytes, flushed) : inflateRawSync(bytes, flushed)
    case 'br':
      return brotliDecompressSync(bytes, { ...limits, finishFlush: constants.BROTLI_OPERATION_FLUSH })
    default:
      return isZstd(bytes) === false ? bytes : unpackZstd(bytes, maxDecodedBytes)
  }
}

const decoded = (bytes: Buffer, encoding: string | null): Buffer | null => {
  const codings = codingsOf(encoding)
  if (codings.length === 0 || bytes.length === 0) return bytes
  if (!isReadable(codings)) return null
  try {
    return codings.reduceRight((rest, coding) => decodeOnce(coding, rest), bytes)
  } catch {
    return null
  }
}

const isBinary = (bytes: Buffer): boolean => bytes.includes(0)

/**
 * The text of a stored body, its content coding undone (at most 64 MiB come out); frames of an AWS event stream as server-sent events.
 *
 * @param length Bytes of the whole body as relayed; tells "there was none" from "it was left out".
 */
export const bodyText = (body: StoredBody | null, length: number): BodyText => {
  if (body === null) return { state: length === 0 ? 'none' : 'omitted', text: '' }
  const bytes = Buffer.from(body.bytes.buffer, body.bytes.byteOffset, body.bytes.byteLength)
  if (bytes.length === 0) return { state: length === 0 ? 'none' : 'omitted', text: '' }
  if (!body.truncated) {
    const plain = decoded(bytes, body.encoding)
    if (plain === null) return { state: 'undecodable', text: '' }
    if (isAwsEventStream(plain)) return { state: 'stored', text: eventStreamText(plain) }
    return isUtf8(plain) && !isBinary(plain) ? { state: 'stored', text: plain.toString('utf8') } : { state: 'binary', text: '' }
  }
  const head = bytes.subarray(0, Math.floor(bytes.length * headShare))
  if (codingsOf(body.encoding).length > 0) {
    // Behind the cut nothing can be decoded any more.
    const plain = decoded(head, body.encoding)
    if (plain === null) return { state: 'undecodable', text: '' }
    if (isAwsEventStream(plain)) return { state: 'truncated', text: eventStreamText(plain) + cutMark }
    return isBinary(plain) ? { state: 'binary', text: '' } : { state: 'truncated', text: plain.toString('utf8') + cutMark }
  }
  if (isAwsEventStream(bytes))
    return { state: 'truncated', text: eventStreamText(head) + cutMark + eventStreamText(bytes.subarray(head.length)) }
  if (isBinary(bytes)) return { state: 'binary', text: '' }
  return { state: 'truncated', text: head.toString('utf8') + cutMark + bytes.subarray(head.length).toString('utf8') }
}
