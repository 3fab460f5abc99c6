import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import { withoutBrackets, type Guard, type Reach } from './guard.js'

/** Opens the sockets of one pool of undici's, each of them watched. */
export const guardedConnector = (guard: Guard, origin: string, reach: Reach, connectMs: number): buildConnector.connector => {
  const { hostname, port, protocol } = new URL(origin)
  const watch = guard.watch(withoutBrackets(hostname), Number(port) || (protocol === 'https:' ? 443 : 80), reach)
  // Its types keep it to themselves that it returns the socket, which has not connected yet.
  const open = buildConnector({ timeout: connectMs, allowH2: false, lookup: watch.lookup }) as unknown as (
    ...given: Parameters<buildConnector.connector>
  ) => Socket
  return (options, callback) => {
    const { refusal } = watch
    if (refusal !== null) return queueMicrotask(() => callback(refusal, null))
    watch.verify(open(options, callback))
  }
}
