import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { storedZstd } from '../../core/providers/framing/stored-zstd.js'
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

/** Providers whose path carries a resource or region after the name. */
const segments: Readonly<Record<string, string>> = { azure: '/acme', vertex: '/us-east5', bedrock: '/us-east-1' }

/** The path at the proxy that leads where the recording was made. */
export const pathOf = ({ provider, path }: Tape): string => `/${provider}${segments[provider] ?? ''}${path}`

const ofTheConnection = new Set(['host', 'content-length', 'connection', 'transfer-encoding'])

/** The recorded headers of a caller, without those of a connection. */
export const callerHeaders = ({ requestHeaders }: Tape): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(requestHeaders).filter(([name]) => !ofTheConnection.has(name.toLowerCase())))

/**
 * How a recording is played: as it is stored, cut into other pieces (`edges`: inside every character of several bytes and between
 * every CR and LF), in another content coding, or ended after so many bytes: by the upstream's FIN or reset, or held open there.
 */
export type Way =
  'stored' | 'bytes' | 'edges' | `split-${number}` | 'gzip' | 'br' | 'deflate' | 'zstd' | `${'fin' | 'reset' | 'hold'}-${number}`

const recode = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync, zstd: storedZstd }
const isRecoded = (way: Way): way is keyof typeof recode => Object.hasOwn(recode, way)

/** The bytes of the answer's body, the coding included. */
export const bodyPlayed = ({ body }: Tape, way: Way): Buffer => (isRecoded(way) ? recode[way](body) : body)

/** Where the way ends the answer; `null` = it comes whole. */
const cutOf = (way: Way): { readonly how: 'fin' | 'reset' | 'hold'; readonly at: number } | null => {
  const [, how, at] = /^(fin|reset|hold)-(\d+)$/.exec(way) ?? []
  return how === undefined ? null : { how: how as 'fin' | 'reset' | 'hold', at: Number(at) }
}

const isEdge = (body: Buffer, i: number): boolean =>
  ((body[i] as number) & 0xc0) === 0x80 || (body[i] === 0x0a && body[i - 1] === 0x0d)

const piecesOf = (body: Buffer, way: Way): readonly Buffer[] => {
  if (way === 'edges') {
    const pieces: Buffer[] = []
    let from = 0
    for (let i = 1; i <= body.length; i++)
      if (i === body.length || isEdge(body, i)) {
        pieces.push(body.subarray(from, i))
        from = i
      }
    return pieces
  }
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
      whole || (cutOf(way) !== null && !tape.streaming) ? `content-length: ${answer.length}` : 'transfer-encoding: chunked',
      'connection: close',
      '',
      '',
    ].join('\r\n')
    const cut = cutOf(way)
    if (cut !== null) {
      const some = answer.subarray(0, cut.at)
      const body = tape.streaming ? [Buffer.from(`${some.length.toString(16)}\r\n`), some, Buffer.from('\r\n')] : [some]
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), ...(some.length === 0 ? [] : body)]))
      if (cut.how === 'fin') socket.end()
      // A reset at once would take away what has not been read yet.
      if (cut.how === 'reset') setTimeout(() => socket.resetAndDestroy(), 60)
      return
    }
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
