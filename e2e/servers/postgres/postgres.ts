import { PGlite } from '@electric-sql/pglite'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * A Postgres as far as one can be had: the embedded one behind Postgres's own protocol, one session for all who connect, nobody asked who
 * they are. No release of the real one is needed for what the control store asks.
 */
export interface Postgres {
  readonly port: number
  stop(): Promise<void>
}

const sslRequest = 80_877_103

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const status = (name: string, value: string): Buffer => message('S', Buffer.from(`${name}\0${value}\0`))
const greeting = Buffer.concat([
  message('R', Buffer.alloc(4)),
  status('server_version', '17.0'),
  status('client_encoding', 'UTF8'),
  status('standard_conforming_strings', 'on'),
  message('K', Buffer.alloc(8)),
  message('Z', Buffer.from('I')),
])

/** What a Postgres says that does not let somebody in. */
export const refusal = (code: string, text: string): Buffer => message('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${text}\0\0`))

/** Answers the beginning of a connection with `greet`, and each message after it with `answer`. */
export const speakPostgres = (socket: Socket, greet: Buffer, answer: (message: Buffer) => Promise<Uint8Array>): void => {
  let waiting = Buffer.alloc(0)
  let greeted = false
  let turn: Promise<void> = Promise.resolve()
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    for (;;) {
      const at = greeted ? 1 : 0
      if (waiting.length < at + 4) return
      const length = at + waiting.readInt32BE(at)
      if (waiting.length < length) return
      const whole = Buffer.from(waiting.subarray(0, length))
      waiting = waiting.subarray(length)
      if (!greeted && whole.readInt32BE(4) === sslRequest) socket.write('N')
      else if (!greeted) {
        greeted = true
        socket.write(greet)
      } else if (whole[0] === 'X'.charCodeAt(0)) socket.end()
      else
        turn = turn.then(async () => {
          socket.write(await answer(whole))
        })
    }
  })
}

export const startPostgres = async (port = 0): Promise<Postgres> => {
  const pg = await PGlite.create()
  const sockets = new Set<Socket>()
  let turn: Promise<unknown> = Promise.resolve()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    speakPostgres(socket, greeting, (asked) => {
      const answered = turn.then(() => pg.execProtocolRaw(asked))
      turn = answered.catch(() => undefined)
      return answered
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await pg.close()
    },
  }
}
