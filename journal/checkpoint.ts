import { decodeExchange, encodeExchange } from '../core/exchange.js'
import { maxPayloadBytes, payloadBytes } from './segment-format.js'

/** Ends that were not written, summed up: of one tenant, for one reason. Times are milliseconds since the epoch. */
export interface Drop {
  readonly tenant: string
  readonly reason: string
  readonly n: number
  readonly fromMs: number
  readonly toMs: number
}

/**
 * The payload of a record of type 3.
 *
 * `open` stands first in a segment: starts that have no end yet, so that recovery reads one segment. `drops` tells losses as soon
 * as there is room again. `closed` stands last: the writer is done.
 */
export interface Checkpoint {
  readonly kind: 'open' | 'drops' | 'closed'
  /** More records of this checkpoint follow: one holds at most 8 MiB. */
  readonly more: boolean
  /** Starts still open, by id, with their payloads. */
  readonly starts: readonly (readonly [id: string, payload: Buffer])[]
  /** Since the checkpoint before. */
  readonly drops: readonly Drop[]
  /** Starts in the journal whose end was dropped since the checkpoint before: they are counted and must not be counted again. */
  readonly ended: readonly string[]
}

interface Head extends Omit<Checkpoint, 'starts'> {
  readonly v: 1
  readonly starts: readonly (readonly [id: string, length: number])[]
}

type OpenStart = readonly [id: string, payload: readonly Uint8Array[]]

const room = maxPayloadBytes - 1024 * 1024
const bodiesRoom = 16 * 1024 * 1024
const largeStart = 4 * 1024 * 1024

/** Copies of bodies are left out of a checkpoint that would become large by them: the row of a lost call then has none. */
const withoutBodies = ([id, payload]: OpenStart): OpenStart => {
  return [id, encodeExchange({ ...decodeExchange(Buffer.concat(payload)), reqBody: null, resBody: null })]
}

const lighten = (starts: readonly OpenStart[]): readonly OpenStart[] => {
  let bytes = 0
  for (const [, payload] of starts) bytes += payloadBytes(payload)
  const most = bytes <= bodiesRoom ? largeStart : 64 * 1024
  return starts.map((start) => (payloadBytes(start[1]) > most ? withoutBodies(start) : start))
}

const chunked = (starts: readonly OpenStart[]): OpenStart[][] => {
  const chunks: OpenStart[][] = [[]]
  let bytes = 0
  for (const start of starts) {
    // 64: its id and length in the head.
    const size = 64 + payloadBytes(start[1])
    if (bytes + size > room) {
      chunks.push([])
      bytes = 0
    }
    ;(chunks.at(-1) as OpenStart[]).push(start)
    bytes += size
  }
  return chunks
}

const idsAtOnce = 10_000

/** @returns One payload in pieces for each record; together they are the checkpoint. */
export const encodeCheckpoint = (
  kind: Checkpoint['kind'],
  starts: Iterable<OpenStart>,
  drops: readonly Drop[],
  ended: readonly string[],
): Uint8Array[][] => {
  const chunks = chunked(lighten([...starts]))
  while (chunks.length * idsAtOnce < ended.length) chunks.push([])
  return chunks.map((chunk, i) => {
    const head: Head = {
      v: 1,
      kind,
      more: i < chunks.length - 1,
      starts: chunk.map(([id, payload]) => [id, payloadBytes(payload)]),
      drops: i === 0 ? drops : [],
      ended: ended.slice(i * idsAtOnce, (i + 1) * idsAtOnce),
    }
    const json = Buffer.from(JSON.stringify(head))
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32LE(json.length)
    return [length, json, ...chunk.flatMap(([, payload]) => payload)]
  })
}

/** Reads one record of type 3. Payloads are views. @throws Error when the bytes are not a checkpoint of this version. */
export const decodeCheckpoint = (payload: Buffer): Checkpoint => {
  const headLength = payload.readUInt32LE(0)
  const head = JSON.parse(payload.toString('utf8', 4, 4 + headLength)) as Head
  if (head.v !== 1) throw new RangeError(`Checkpoint version ${String(head.v)} is newer than this Weir understands (1).`)
  let at = 4 + headLength
  const starts = head.starts.map(([id, length]): readonly [string, Buffer] => {
    const start = payload.subarray(at, at + length)
    at += length
    return [id, start]
  })
  return { kind: head.kind, more: head.more, starts, drops: head.drops, ended: head.ended }
}
