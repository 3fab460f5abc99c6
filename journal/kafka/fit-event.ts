import { bodyHead, decodeExchange, encodeExchange, type Exchange, type StoredBody } from '../../core/exchange.js'

const pieces = (body: StoredBody | null) =>
  body === null ? null : { pieces: [body.bytes], length: body.bytes.length, encoding: body.encoding, truncated: body.truncated }

const encoded = (exchange: Exchange, reqBody: StoredBody | null, resBody: StoredBody | null): Buffer =>
  Buffer.concat(encodeExchange({ ...exchange, reqBody: pieces(reqBody), resBody: pieces(resBody) }))

const noted = (exchange: Exchange): Exchange =>
  exchange.notes.includes('kafka_limit') ? exchange : { ...exchange, notes: [...exchange.notes, 'kafka_limit'] }

/** The first three quarters and the last quarter of `room`, as longer bodies are kept everywhere. */
const cut = (body: StoredBody | null, room: number): StoredBody | null => {
  if (body === null || body.bytes.length <= room) return body
  const tail = Math.floor(room / 4)
  const { bytes } = body
  return {
    bytes: Buffer.concat([bytes.subarray(0, room - tail), bytes.subarray(bytes.length - tail)]),
    encoding: body.encoding,
    truncated: true,
  }
}

/**
 * The same event with less of its bodies, noted `kafka_limit`: a small body stays whole, the other gets what is left.
 *
 * @param most Bytes of the payload that is wanted.
 * @returns The payload as it is when it fits; without bodies at worst, which may still be too long.
 */
export const fitEvent = (payload: Buffer, most: number): Buffer => {
  if (payload.length <= most) return payload
  const exchange = noted(decodeExchange(payload))
  const { reqBody, resBody } = exchange
  // 64: the lengths in the head may grow by some digits.
  const headBytes = Buffer.byteLength(
    JSON.stringify({ ...exchange, reqBody: bodyHead(pieces(reqBody)), resBody: bodyHead(pieces(resBody)) }),
  )
  const room = most - headBytes - 64
  if (room <= 0) return withoutBodies(payload)
  const [req, res] = [reqBody?.bytes.length ?? 0, resBody?.bytes.length ?? 0]
  const forReq = Math.min(req, Math.max(Math.floor(room / 2), room - res))
  return encoded(exchange, cut(reqBody, forReq), cut(resBody, room - forReq))
}

/** The same event without its bodies. */
export const withoutBodies = (payload: Buffer): Buffer => encoded(noted(decodeExchange(payload)), null, null)
