import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { errorOfStatus } from '../../core/providers/classify-error.js'
import { checkAllowed, checkProviderAllowed } from '../admit/allowed.js'
import type { House } from '../serve.js'
import { UnmatchedPath, familyOfPath } from '../identify/locate.js'
import { endSoon } from '../limits/end-soon.js'
import { ownHeaders } from '../own-headers.js'
import { endingOf, type CallRecord } from '../record.js'
import { refusalBytes, refusalHeaders } from '../refuse.js'
import { upstreamError } from '../obtain/forward.js'
import { clientGone } from '../deliver.js'
import { askedBySession, readableOffer, RealtimeTap, type Side } from './realtime.js'
import { headersOf, type Relay, type RelayRequest } from './relay.js'

export interface UpgradeDeps {
  readonly house: Pick<House, 'open' | 'identify' | 'doorkeeper' | 'takePlace' | 'limitRelayed' | 'closed' | 'failed'>
  readonly relay: Relay
  readonly config: Config
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

const rawHead = (status: number, text: string, flat: readonly string[], body: Buffer): string => {
  let head = `HTTP/1.1 ${status} ${text}\r\n`
  for (let i = 0; i < flat.length; i += 2) head += `${flat[i] as string}: ${flat[i + 1] as string}\r\n`
  return `${head}connection: close\r\ncontent-length: ${body.length}\r\n\r\n`
}

/** What nobody takes may be held for so long. A quiet connection is another matter: nothing waits for its client. */
const letGoOfSlowReader = (socket: Socket, ms: number): void => {
  socket.setTimeout(ms)
  socket.on('timeout', () => {
    if (socket.writableLength > 0) socket.destroy()
  })
}

/** The middleware writes these headers as the head of its answer, once our listeners have run. */
const dress = (headers: IncomingHttpHeaders, record: CallRecord): void => {
  for (const name of ['set-cookie', 'alt-svc', 'strict-transport-security']) delete headers[name]
  const own = ownHeaders(record, false)
  for (let i = 0; i < own.length; i += 2) headers[own[i] as string] = own[i + 1]
}

/**
 * Relays a WebSocket both ways, byte for byte. One row for the connection, written when it closes; the frames of a realtime session are
 * read beside the relay, and each response leaves a row of its own. An upgrade the upstream refuses passes as it came.
 */
export const upgradeBy =
  ({ house, relay, config, now }: UpgradeDeps) =>
  (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const record = house.open()
    let over = false
    const finish = (ending: ReturnType<typeof endingOf>, then: () => void): void => {
      if (over) return
      over = true
      record.mark('lastByte')
      record.end(ending, () => {
        house.closed(record)
        then()
      })
    }
    const refuse = (cause: unknown): void => {
      const error =
        cause instanceof WeirError ? cause : new WeirError('internal', 'Weir failed on this call; its log says why.', { cause })
      if (error.code === 'internal') house.failed(cause)
      if (error instanceof UnmatchedPath) record.rowless = true
      finish(endingOf(error), () => {
        const family = record.target?.route.family ?? familyOfPath(req.url ?? '/')
        const body = refusalBytes(family, error, record.id)
        endSoon(
          socket,
          Buffer.concat([
            Buffer.from(
              rawHead(error.status, 'Refused', [...refusalHeaders(family, error), ...ownHeaders(record, true)], body),
              'latin1',
            ),
            body,
          ]),
        )
      })
    }
    // A client that vanishes must not end the process.
    socket.on('error', () => undefined)
    void open(req, socket, head, record, { relay, house, config, now }, finish).catch(refuse)
  }

const open = async (
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  record: CallRecord,
  { relay, house, config, now }: UpgradeDeps,
  finish: (ending: ReturnType<typeof endingOf>, then: () => void) => void,
): Promise<void> => {
  const call = house.identify(req, record.id)
  record.identified(call)
  house.doorkeeper()
  house.takePlace(record, call)
  const { target } = call
  if (target === null) throw new WeirError('unknown_path', 'This path takes no upgrade.')
  record.mark('admitted')
  const isSession = target.route.api === 'realtime_session'
  if (isSession) record.asked = askedBySession(record)
  const { provider } = target
  if (isSession) checkAllowed(call, { provider, model: record.asked?.model ?? null, alias: null })
  else checkProviderAllowed(call, provider)
  const limited = house.limitRelayed(record)
  if (limited !== null) await limited
  const failure = await record.start()
  if (failure !== null) {
    if (record.durability === 'strict' || config.journal.full === 'refuse')
      throw new WeirError('journal_unavailable', `The journal cannot take the call: ${failure.message}`, { cause: failure })
    record.warnings.push('journal-full')
  }
  const host = target.origin.slice(target.origin.indexOf('//') + 2)
  const request = req as RelayRequest
  let status = 101
  let tap: RealtimeTap | null = null
  let endedBy: Side | null = null
  const ends = (side: Side) => (): void => {
    endedBy ??= side
  }
  for (const event of ['end', 'error']) socket.on(event, ends('client'))
  await new Promise<void>((resolve, reject) => {
    request.relaying = {
      path: target.path,
      sending: (proxyReq) => {
        record.mark('sent')
        proxyReq.on('response', (answer) => {
          status = answer.statusCode ?? 502
          record.answered(status)
          dress(answer.headers, record)
          answer.on('data', (chunk: Buffer) => record.response?.push(chunk))
        })
        proxyReq.on('upgrade', (answer, upstream) => {
          record.answered(101)
          dress(answer.headers, record)
          for (const event of ['end', 'error']) upstream.on(event, ends('upstream'))
          if (isSession) {
            record.countOnly()
            tap = new RealtimeTap(record, now)
          }
          // Two taps beside the middleware's own pipes: bytes are counted, none is touched. Not before the pipes are laid: a listener
          // sets the socket flowing, and a frame that came together with the head would reach the tap alone.
          process.nextTick(() => {
            upstream.on('data', (chunk: Buffer) => {
              record.chunks++
              record.response?.push(chunk)
              tap?.server(chunk)
            })
            socket.on('data', (chunk: Buffer) => {
              record.request?.push(chunk)
              tap?.client(chunk)
            })
            letGoOfSlowReader(socket as Socket, config.timeouts.slowReader)
          })
          upstream.on('error', () => undefined)
          socket.on('close', () => upstream.destroy())
          upstream.on('close', () => socket.end())
        })
      },
      answered: () => undefined,
      failed: (cause) => {
        // Once the upgrade has passed, the broken connection ends as any other: with its close.
        if (tap === null)
          reject(upstreamError(cause, host, record.response !== null && record.response.length > 0, config.timeouts.connect))
      },
    }
    socket.on('close', () => {
      const error = status >= 400 ? errorOfStatus(status) : null
      finish(
        tap?.end(endedBy) ?? (socket.errored === null ? { outcome: 'complete', status, error } : clientGone(status)),
        resolve,
      )
    })
    const handler = relay.middlewareFor(target)
    const upgradeHeaders = Object.fromEntries(
      Object.entries(req.headers).filter(
        ([name]) => name === 'connection' || name === 'upgrade' || name.startsWith('sec-websocket-'),
      ),
    )
    const headers: IncomingHttpHeaders = { ...headersOf(call, target, {}), ...upgradeHeaders }
    const offer = headers['sec-websocket-extensions']
    if (isSession && offer !== undefined) {
      const readable = readableOffer(offer)
      if (readable === null) delete headers['sec-websocket-extensions']
      else headers['sec-websocket-extensions'] = readable
    }
    req.headers = headers
    handler.upgrade(request, socket as never, head)
  })
}
