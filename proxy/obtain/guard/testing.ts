import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { thisNetwork, type Network } from './network.js'
import { isPrivateAddress, isPublicAddress } from './public-address.js'

/** The one address of this machine that tests take for a public one. */
export const publicAddress = '127.0.0.2'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** An upstream that tells how often it was connected to. */
export interface Listener {
  readonly port: number
  readonly connections: () => number
  readonly seen: readonly SeenRequest[]
}

const answer = JSON.stringify({ id: 'c1', object: 'chat.completion', model: 'm', choices: [], usage: { prompt_tokens: 1 } })

/**
 * @param host An address of this machine.
 * @param port 0 = a free one.
 */
export const listenAt = async (
  host: string,
  port = 0,
  head: readonly [number, Record<string, string>] = [200, {}],
): Promise<Listener> => {
  const seen: SeenRequest[] = []
  let connections = 0
  const server = createServer((req, res) => {
    seen.push({ method: req.method ?? '', path: req.url ?? '', headers: req.headers })
    req.resume()
    res.writeHead(head[0], { 'content-type': 'application/json', ...head[1] })
    res.end(answer)
  })
  server.on('connection', () => connections++)
  server.on('upgrade', (req, socket) => {
    seen.push({ method: 'UPGRADE', path: req.url ?? '', headers: req.headers })
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections: () => connections, seen }
}

export interface FakeNetwork extends Network {
  /** Names that were looked up, in order. */
  readonly asked: readonly string[]
}

/**
 * A network in which `publicAddress` is public and names resolve as told.
 *
 * @param names The answers to one look-up after the other; the last one stays. Other names do not exist.
 */
export const fakeNetwork = (names: Readonly<Record<string, readonly (readonly string[])[]>>): FakeNetwork => {
  const asked: string[] = []
  return {
    ...thisNetwork,
    asked,
    lookup: (host, _options, done) => {
      const times = asked.filter((each) => each === host).length
      asked.push(host)
      const answers = names[host]
      const found = answers?.[Math.min(times, answers.length - 1)]
      if (found === undefined) return done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
      done(
        null,
        found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    },
    isPublic: (address) => address === publicAddress || isPublicAddress(address),
    isPrivate: (address) => address !== publicAddress && isPrivateAddress(address),
  }
}
