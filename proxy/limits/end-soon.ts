import type { Duplex } from 'node:stream'

/** Long enough for a client to read what it was told before the connection is gone; what it still sends is thrown away. */
const lingerMs = 1000

const ending = new WeakSet<Duplex>()

/** Says one last thing and closes, whether or not the other side does: one that never does would keep its socket open for ever. */
export const endSoon = (socket: Duplex, bytes: Buffer): void => {
  ending.add(socket)
  socket.end(bytes)
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}

/** Whether it was told its last thing, and is gone in a moment. */
export const endsSoon = (socket: Duplex): boolean => ending.has(socket)
