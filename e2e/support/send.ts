import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:http'

/** What a client sees of an answer, undecoded. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly sha256: string
  /** `clean`: the HTTP message was whole. `broken`: the connection was cut inside it. */
  readonly end: 'clean' | 'broken'
  /** The answer's Weir-Id; empty without one. */
  readonly id: string
  json<T = Record<string, unknown>>(): T
}

export interface Sending {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
  /** Called with what has come so far; `abort` destroys the client's socket. */
  readonly onData?: (soFar: Buffer, abort: () => void) => void
  readonly agent?: Agent
}

/** One connection per call: nothing a test does to a socket can reach another test. */
const oneShot = new Agent({ keepAlive: false, maxSockets: Infinity })

export const sha256Of = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

/**
 * Sends a request over `node:http`: bytes as they are on the wire, nothing followed, nothing decoded.
 *
 * @throws The socket's error when no head came.
 */
export const send = (
  url: string,
  { method = 'POST', headers = {}, body, onData, agent = oneShot }: Sending = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const req = request(url, { method, agent, headers: headers as Record<string, string | string[]> })
    req.on('error', reject)
    req.on('response', (res: IncomingMessage) => {
      const chunks: Buffer[] = []
      const settle = (end: Answer['end']): void => {
        const bytes = Buffer.concat(chunks)
        const id = res.headers['weir-id']
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          bytes,
          sha256: sha256Of(bytes),
          end,
          id: typeof id === 'string' ? id : '',
          json: <T>() => JSON.parse(bytes.toString()) as T,
        })
      }
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        onData?.(Buffer.concat(chunks), () => req.destroy())
      })
      res.on('end', () => settle('clean'))
      res.on('aborted', () => settle('broken'))
      res.on('error', () => settle('broken'))
    })
    req.end(body)
  })

export const jsonHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json' }
