import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { PortError } from './start-error.js'

interface Place {
  readonly port: number
  readonly host: string
  /** The environment variable that sets this port. */
  readonly variable: string
}

/**
 * @returns The port, when 0 asked for a free one.
 * @throws PortError
 */
export const listen = (server: Server, place: Place): Promise<number> =>
  new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => reject(new PortError({ ...place, code: cause.code ?? 'unknown' }))
    server.once('error', failed)
    server.listen(place.port, place.host, () => {
      server.off('error', failed)
      resolve((server.address() as AddressInfo).port)
    })
  })

/** Fails as `listen` would, and leaves the port free: asked before anything is started. */
export const checkFree = async (place: Place): Promise<void> => {
  if (place.port === 0) return
  const probe = createServer()
  await listen(probe, place)
  await new Promise((resolve) => probe.close(resolve))
}

/** `http://host:port` as a person on this machine can open it. */
export const urlOf = (host: string, port: number): string => {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  return `http://${reachable}:${port}`
}
