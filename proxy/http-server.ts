import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Config } from '../core/config.js'
import type { ErrorCode } from '../core/errors.js'
import { endSoon, endsSoon } from './limits/end-soon.js'
import { headCheckMs, unreadable } from './limits/head.js'
import { refusalBytes } from './refuse.js'

interface Options {
  /** As it is now. */
  readonly config: () => Config
  /** How many files and sockets the process may open. */
  readonly descriptors: number
  readonly door: (req: IncomingMessage, res: ServerResponse) => void
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Told of each request that cannot be read: it leaves no row. */
  readonly refusedUnread: (code: ErrorCode) => void
}

interface Drain {
  /** Nothing is under way: what is still connected may go. */
  readonly isIdle: () => boolean
  /** Called when the time is up. */
  readonly giveUp: () => void
  readonly timeoutMs: number
}

/** The one server of a proxy: its bounds, what it says to who cannot be understood, and how it ends. */
export interface HttpServer {
  /** The port that is listened on. */
  readonly port: number
  /** Connections there was no room for. */
  droppedConnections(): number
  /** Takes bounds and time-outs from a new configuration. */
  bound(config: Config): void
  /** Takes no connection any more; resolves when the last one is gone, at most 2 s after the time is up. */
  drain(how: Drain): Promise<void>
}

/** Calls that may be under way while their connections are accepted. */
const backlog = 4096

/** Listens on `proxyPort`. @throws Error of the system, when the port is taken. */
export const openHttpServer = async ({ config, descriptors, door, upgrade, refusedUnread }: Options): Promise<HttpServer> => {
  const first = config()
  let dropped = 0
  const server = createServer(
    { requestTimeout: 0, keepAliveTimeout: 75_000, connectionsCheckingInterval: headCheckMs(first), noDelay: true },
    door,
  )
  const bound = (of: Config): void =>
    void Object.assign(server, {
      maxHeaderSize: of.ceilings.headers,
      headersTimeout: of.timeouts.head,
      // Of a socket on which nothing moves; a late head is told so before.
      timeout: Math.max(of.timeouts.slowReader, of.timeouts.head + 2 * headCheckMs(of)),
    } satisfies Partial<Server> & { maxHeaderSize: number })
  bound(first)
  // Each call in flight has one to its upstream, too.
  server.maxConnections = Math.max(128, Math.floor(descriptors / 2))
  server.on('drop', () => {
    dropped++
    server.closeIdleConnections()
  })
  server.on('checkContinue', door)
  // Refused like any other call of its path, with a row.
  server.on('checkExpectation', door)
  server.on('upgrade', upgrade)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('clientError', (cause: NodeJS.ErrnoException, socket) => {
    if (endsSoon(socket) && cause.code !== 'ECONNRESET') return
    if (!socket.writable || cause.code === 'ECONNRESET') return void socket.destroy()
    const error = unreadable(cause, config())
    refusedUnread(error.code)
    const body = refusalBytes('openai-chat', error, '')
    endSoon(
      socket,
      Buffer.from(
        `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\ncontent-type: application/json\r\nweir-error: ${error.code}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body.toString()}`,
      ),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(first.proxyPort, first.host, backlog, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    droppedConnections: () => dropped,
    bound,
    async drain({ isIdle, giveUp, timeoutMs }) {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const ended = setInterval(() => {
        server.closeIdleConnections()
        if (isIdle()) for (const socket of sockets) socket.destroySoon()
      }, 50)
      const timeout = setTimeout(giveUp, timeoutMs)
      const last = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, timeoutMs + 2000)
      await stopped
      clearInterval(ended)
      clearTimeout(timeout)
      clearTimeout(last)
    },
  }
}
