import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Certificate } from './certificates.js'
import type { Progress } from './caller.js'

/** A request as it came. */
export interface Asked {
  readonly headers: string
  readonly body: string
  /** Position among those of this upstream, and of its connection; from 0. */
  readonly n: number
  readonly onSocket: number
}

/** How the end of a body is told. */
export type Framing = 'length' | 'chunked' | 'close'

interface Head {
  readonly status?: number
  readonly type: string
  readonly framing: Framing
  /** Of the whole body, told where the framing is `length`. */
  readonly length?: number
  readonly headers?: readonly string[]
}

const tick = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** One answer, byte for byte as a test wants it. */
export class Answering {
  readonly asked: Asked
  readonly socket: Socket
  readonly #raw: Socket
  readonly #client: Progress
  #framing: Framing = 'close'
  #body: Buffer[] = []

  constructor(asked: Asked, socket: Socket, raw: Socket, client: Progress) {
    this.asked = asked
    this.socket = socket
    this.#raw = raw
    this.#client = client
  }

  /** Of the body, as it was said up to now. */
  get said(): Buffer {
    return Buffer.concat(this.#body)
  }

  raw(bytes: string | Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  head({ status = 200, type, framing, length = 0, headers = [] }: Head): void {
    this.#framing = framing
    const lines = [
      `HTTP/1.1 ${status} Whatever`,
      `content-type: ${type}`,
      ...(framing === 'length' ? [`content-length: ${length}`] : []),
      ...(framing === 'chunked' ? ['transfer-encoding: chunked'] : []),
      ...(framing === 'close' ? ['connection: close'] : []),
      ...headers,
    ]
    this.raw(`${lines.join('\r\n')}\r\n\r\n`)
  }

  say(bytes: Buffer): void {
    this.#body.push(bytes)
    if (this.#framing !== 'chunked') return this.raw(bytes)
    this.raw(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]))
  }

  /** The proper end of what was said. */
  end(): void {
    if (this.#framing === 'chunked') this.raw('0\r\n\r\n')
    else if (this.#framing === 'close') this.socket.end()
  }

  /** The client has all that was said: nothing that breaks off now can take any of it along. */
  received(): Promise<void> {
    return this.#client.reached(this.#body.reduce((sum, { length }) => sum + length, 0))
  }

  /** Time enough for what was said to be where nobody but the proxy sees it. */
  async arrived(): Promise<void> {
    await tick(100)
  }

  reset(): void {
    this.#raw.resetAndDestroy()
  }

  /** The connection ends, TLS or not, with nothing but a FIN. */
  fin(): void {
    this.#raw.end()
  }
}

export type Script = (answering: Answering) => void | Promise<void>

export interface Upstream {
  readonly origin: string
  readonly answers: readonly Answering[]
  /** Connections that were ever made. */
  connections(): number
  /** Those that are open. */
  open(): number
  /** When the last one was closed, on the clock of `performance`; `null` = one is open, or there was none. */
  emptySince(): number | null
  close(): void
}

interface Options {
  readonly tls?: Certificate | undefined
  readonly client: Progress
  /** `null`: takes connections and says nothing, not even TLS. */
  readonly script: Script | null
}

const requestIn = (text: string): { readonly headers: string; readonly body: string; readonly length: number } | null => {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return null
  const headers = text.slice(0, end)
  const length = Number(/^content-length: *(\d+)/im.exec(headers)?.[1] ?? 0)
  const body = text.slice(end + 4, end + 4 + length)
  return body.length < length ? null : { headers, body, length: end + 4 + length }
}

/** An upstream on a port of its own, so that its connections are one call's. */
export const openUpstream = async ({ tls, client, script }: Options): Promise<Upstream> => {
  const answers: Answering[] = []
  const open = new Set<Socket>()
  let connections = 0
  let emptySince: number | null = null
  const server = createServer((raw) => {
    connections++
    open.add(raw)
    emptySince = null
    raw.on('error', () => undefined)
    raw.once('close', () => {
      open.delete(raw)
      if (open.size === 0) emptySince = performance.now()
    })
    if (script === null) return void raw.resume()
    const socket = tls === undefined ? raw : new TLSSocket(raw, { isServer: true, ...tls })
    socket.on('error', () => raw.destroy())
    socket.setNoDelay(true)
    let text = ''
    let onSocket = 0
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let found = requestIn(text); found !== null; found = requestIn(text)) {
        text = text.slice(found.length)
        const { headers, body } = found
        const answering = new Answering({ headers, body, n: answers.length, onSocket: onSocket++ }, socket, raw, client)
        answers.push(answering)
        void script(answering)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    answers,
    connections: () => connections,
    open: () => open.size,
    emptySince: () => emptySince,
    close: () => {
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
}
