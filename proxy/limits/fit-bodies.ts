import type { BodyPieces } from '../../core/exchange.js'

type Body = BodyPieces | null

/** The first three quarters and the last quarter of `room`, as longer bodies are kept everywhere. */
const cut = (body: Body, room: number): Body => {
  if (body === null || body.length <= room) return body
  if (room === 0) return null
  const tail = Math.floor(room / 4)
  return { ...body, pieces: [...firstOf(body.pieces, room - tail), ...lastOf(body.pieces, tail)], length: room, truncated: true }
}

const firstOf = (pieces: readonly Uint8Array[], bytes: number): Uint8Array[] => {
  const kept: Uint8Array[] = []
  let left = bytes
  for (const piece of pieces) {
    if (left === 0) break
    const part = piece.subarray(0, left)
    kept.push(part)
    left -= part.length
  }
  return kept
}

const lastOf = (pieces: readonly Uint8Array[], bytes: number): Uint8Array[] => {
  const kept: Uint8Array[] = []
  let left = bytes
  for (const piece of pieces.toReversed()) {
    if (left === 0) break
    const part = piece.subarray(Math.max(0, piece.length - left))
    kept.unshift(part)
    left -= part.length
  }
  return kept
}

/**
 * Both bodies of an event in so much room: a small one stays whole, the other gets what is left.
 *
 * @param room Bytes; 0 or less = neither is kept.
 */
export const fitBodies = (req: Body, res: Body, room: number): readonly [Body, Body] => {
  const [reqBytes, resBytes] = [req?.length ?? 0, res?.length ?? 0]
  if (reqBytes + resBytes <= room) return [req, res]
  const most = Math.max(0, room)
  const forReq = Math.min(reqBytes, Math.max(Math.floor(most / 2), most - resBytes))
  return [cut(req, forReq), cut(res, most - forReq)]
}
