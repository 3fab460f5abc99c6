import { Transform } from 'node:stream'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A link that can be cut: what connects to it reaches a port of loopback, or nobody. */
export interface TcpRelay {
  readonly port: number
  /** Where it leads; may be told later. */
  lead(port: number): void
  /** Every connection is gone at once, and no new one is taken. */
  cut(): void
  /** What comes from either side is passed on a piece at a time, each of them so much later. */
  slow(ms: number): void
  /** Neither cut nor slow. */
  mend(): void
  close(): Promise<void>
}

/** Listens on a free port of loopback. */
export const openTcpRelay = async (): Promise<TcpRelay> => {
  let target = 0
  let isCut = false
  let lateMs = 0
  const open = new Set<Socket>()
  const keep = (socket: Socket): void => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', () => undefined)
  }
  const late = (): Transform =>
    new Transform({
      transform(piece, _, done) {
        if (lateMs === 0) done(null, piece)
        else setTimeout(() => done(null, piece), lateMs)
      },
    })
  const server: Server = createServer((from) => {
    keep(from)
    if (isCut) return void from.resetAndDestroy()
    const to = connect(target, '127.0.0.1')
    keep(to)
    from.pipe(late()).pipe(to)
    to.pipe(late()).pipe(from)
    from.once('close', () => to.destroy())
    to.once('close', () => from.destroy())
  })
  const drop = (): void => {
    for (const socket of open) socket.resetAndDestroy()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    lead: (port) => {
      target = port
    },
    cut() {
      isCut = true
      drop()
    },
    slow(ms) {
      lateMs = ms
    },
    mend() {
      isCut = false
      lateMs = 0
    },
    async close() {
      drop()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
