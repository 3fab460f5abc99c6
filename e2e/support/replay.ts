import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { recordings, recordingsDir, type Recording } from '../../core/providers/recordings.js'
import { randomFrom } from './random.js'
import { sha256Of } from './send.js'

/** A recorded exchange with its heads. */
export interface Tape extends Recording {
  readonly method: string
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly responseHeaders: Readonly<Record<string, string>>
}

/** All recordings; empty without `WEIR_WIRE_FIXTURES`. */
export const tapes = (): readonly Tape[] =>
  recordings().map((recording) => {
    const head = <T>(name: string): T => JSON.parse(readFileSync(join(recordingsDir ?? '', recording.id, name), 'utf8')) as T
    const { method, headers } = head<{ method: string; headers: Record<string, string> }>('request.json')
    return {
      ...recording,
      method,
      requestHeaders: headers,
      responseHeaders: head<{ headers: Record<string, string> }>('response.json').headers,
    }
  })

/** How a recording is played: as it is stored, cut into other pieces, or in another content coding. */
export type Way = 'stored' | 'bytes' | `split-${number}` | 'gzip' | 'br' | 'deflate'

const recode = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }
const isRecoded = (way: Way): way is keyof typeof recode => Object.hasOwn(recode, way)

/** The bytes of the answer's body, the coding included. */
export const bodyPlayed = ({ body }: Tape, way: Way): Buffer => (isRecoded(way) ? recode[way](body) : body)

const piecesOf = (body: Buffer, way: Way): readonly Buffer[] => {
  if (way === 'bytes') return Array.from({ length: body.length }, (_, i) => body.subarray(i, i + 1))
  if (!way.startsWith('split-')) return [body]
  const next = randomFrom(Number(way.slice('split-'.length)))
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length;) {
    const size = 1 + Math.floor(next() ** 3 * 700)
    pieces.push(body.subarray(at, at + size))
    at += size
  }
  return pieces
}

/** What came upstream for one playing. */
export interface Arrived {
  readonly method: string
  readonly path: string
  readonly bodySha256: string
  readonly headers: IncomingMessage['headers']
}

export interface ReplayUpstream {
  readonly origin: string
  /** By the name of the playing: `<id> <way>`. */
  readonly arrived: ReadonlyMap<string, readonly Arrived[]>
  close(): Promise<void>
}

const skipped = new Set(['content-length', 'transfer-encoding', 'connection', 'content-encoding'])

/**
 * Plays recordings. Which one, and how, is asked for by `x-play: <id> <way>`, which passes Weir as every header of a caller does.
 * The pieces of a way are HTTP chunks, so that they reach the proxy's readers in exactly these pieces, whatever TCP does.
 */
export const startReplay = async (all: readonly Tape[]): Promise<ReplayUpstream> => {
  const byId = new Map(all.map((tape) => [tape.id, tape]))
  const arrived = new Map<string, Arrived[]>()
  const sockets = new Set<Socket>()
  const play = (req: IncomingMessage, body: Buffer, socket: Socket): void => {
    const name = String(req.headers['x-play'])
    const [id = '', way = 'stored'] = name.split(' ') as [string, Way]
    const tape = byId.get(id)
    if (tape === undefined) return void socket.destroy()
    const seen = { method: req.method ?? '', path: req.url ?? '', bodySha256: sha256Of(body), headers: req.headers }
    arrived.set(name, [...(arrived.get(name) ?? []), seen])
    const answer = bodyPlayed(tape, way)
    const coding = isRecoded(way) ? way : tape.encoding
    const whole = way === 'stored' && !tape.streaming
    const head = [
      `HTTP/1.1 ${tape.status} Recorded`,
      ...Object.entries(tape.responseHeaders)
        .filter(([header]) => !skipped.has(header.toLowerCase()))
        .map(([header, value]) => `${header}: ${value}`),
      ...(coding === null ? [] : [`content-encoding: ${coding}`]),
      whole ? `content-length: ${answer.length}` : 'transfer-encoding: chunked',
      'connection: close',
      '',
      '',
    ].join('\r\n')
    const framed = whole
      ? [answer]
      : [
          ...piecesOf(answer, way).flatMap((piece) => [
            Buffer.from(`${piece.length.toString(16)}\r\n`),
            piece,
            Buffer.from('\r\n'),
          ]),
          Buffer.from('0\r\n\r\n'),
        ]
    socket.end(Buffer.concat([Buffer.from(head, 'latin1'), ...framed]))
  }
  const server = createServer({ maxHeaderSize: 131_072 }, (req: IncomingMessage, _res: ServerResponse) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => play(req, Buffer.concat(chunks), req.socket))
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrived,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
