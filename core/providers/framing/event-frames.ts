import { crc32 } from 'node:zlib'

/** A header of a frame: its type and its bytes as they stand behind the type, without their length. */
export interface FrameHeader {
  readonly name: string
  readonly type: number
  readonly value: Buffer
}

const headerBytes = ({ name, type, value }: FrameHeader): Buffer => {
  const nameBytes = Buffer.from(name)
  const length = Buffer.alloc(type === 6 || type === 7 ? 2 : 0)
  if (length.length > 0) length.writeUInt16BE(value.length)
  return Buffer.concat([Buffer.from([nameBytes.length]), nameBytes, Buffer.from([type]), length, value])
}

/** One frame of an AWS event stream. */
export const frameOf = (headers: readonly FrameHeader[], payload: Buffer): Buffer => {
  const head = Buffer.concat(headers.map(headerBytes))
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(16 + head.length + payload.length, 0)
  prelude.writeUInt32BE(head.length, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  const body = Buffer.concat([prelude, head, payload])
  const trailer = Buffer.alloc(4)
  trailer.writeUInt32BE(crc32(body))
  return Buffer.concat([body, trailer])
}

const text = (name: string, value: string): FrameHeader => ({ name, type: 7, value: Buffer.from(value) })

/** An event as Bedrock sends it. For tests. */
export const eventFrame = (name: string, payload: unknown): Buffer =>
  frameOf(
    [text(':event-type', name), text(':content-type', 'application/json'), text(':message-type', 'event')],
    Buffer.from(JSON.stringify(payload)),
  )

/** A chunk of InvokeModelWithResponseStream. For tests. */
export const chunkFrame = (value: unknown): Buffer =>
  eventFrame('chunk', { bytes: Buffer.from(JSON.stringify(value)).toString('base64'), p: 'abcdefgh' })

/** An exception in the middle of a stream. */
export const exceptionFrame = (type: string, payload: unknown): Buffer =>
  frameOf(
    [text(':exception-type', type), text(':content-type', 'application/json'), text(':message-type', 'exception')],
    Buffer.from(JSON.stringify(payload)),
  )

/** An error that is no exception of the API: all it tells is in its headers. For tests. */
export const errorFrame = (code: string, message: string): Buffer =>
  frameOf([text(':error-code', code), text(':error-message', message), text(':message-type', 'error')], Buffer.alloc(0))
