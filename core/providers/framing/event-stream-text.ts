import { decoded } from '../json-text.js'
import { awsEventStreamSplitter, frameEnd } from './aws-event-stream.js'

const preludeBytes = 12
const bytesKey = /^\{\s*"bytes" ?: ?"([A-Za-z0-9+/=_-]*)"/

/** What a chunk carries as base64 is what somebody wants to read. */
const dataOf = (payload: string): string => {
  const bytes = bytesKey.exec(payload)?.[1]
  return bytes === undefined ? decoded(payload) : Buffer.from(bytes, 'base64').toString()
}

/** Where the first whole prelude at or behind `from` lies; -1 = nowhere. */
const nextFrame = (bytes: Buffer, from: number): number => {
  for (let at = from; at + preludeBytes <= bytes.length; at++) if (frameEnd(bytes, at) !== null) return at
  return -1
}

/** True for bytes that begin with a frame: its checksum says so, no other kind of body does. */
export const isAwsEventStream = (bytes: Buffer): boolean => bytes.length >= preludeBytes && frameEnd(bytes, 0) !== null

/**
 * The frames of an AWS event stream in the form of server-sent events, for people and for readers of stored bodies: the frame's name as
 * `event:`, its payload (of a chunk what it carries as base64) as `data:`.
 *
 * @param bytes May begin inside of a frame: that one is left out, like one that was cut.
 */
export const eventStreamText = (bytes: Buffer): string => {
  const text: string[] = []
  const splitter = awsEventStreamSplitter(
    (data, name) => {
      if (name !== null) text.push(`event: ${decoded(name).replace(/[\r\n]/g, ' ')}\n`)
      text.push(`data: ${dataOf(data).replace(/\r\n|\r|\n/g, '\ndata: ')}\n\n`)
    },
    () => undefined,
  )
  const start = nextFrame(bytes, 0)
  if (start !== -1) splitter.push(bytes.subarray(start))
  return text.join('')
}
