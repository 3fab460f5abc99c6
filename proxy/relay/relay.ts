import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createProxyMiddleware, type RequestHandler } from 'http-proxy-middleware'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { checkProviderAllowed } from '../admit/allowed.js'
import { headersFor } from '../obtain/primary-headers.js'
import { ClientGone } from '../admit/read-body.js'
import type { Call, Reply, Sink, Target } from '../call.js'
import type { Client } from '../client.js'
import type { Deadlines, Watched } from '../deadlines.js'
import { deliver, type DeliverDeps } from '../deliver.js'
import { meetExpectation } from '../expectation.js'
import { upstreamError } from '../obtain/forward.js'
import { guardedAgents } from '../obtain/guard/agents.js'
import type { Guard } from '../obtain/guard/guard.js'
import { withoutMetadata } from '../obtain/guard/metadata-headers.js'
import type { Addressed } from '../obtain/pools.js'
import type { CallRecord } from '../record.js'

export interface RelayDeps {
  readonly config: Config
  readonly deadlines: Deadlines
  readonly delivery: DeliverDeps
  readonly guard: Guard
}

/** What the middleware's callbacks need to know about the request they are called with. */
export interface Relaying {
  readonly path: string
  /** The send has been made; the request body is being streamed into it. */
  sending(proxyReq: ClientRequest): void
  answered(proxyRes: IncomingMessage): void
  failed(cause: Error): void
}

/** A request that is handed to the middleware, with what is to happen. */
export type RelayRequest = IncomingMessage & { relaying?: Relaying }

export interface Relay {
  /** Relays a call unread and leaves its row. */
  web(call: Call, req: IncomingMessage, res: ServerResponse, record: CallRecord, client: Client): Promise<void>
  /** The middleware for a target's origin, for WebSocket upgrades. */
  middlewareFor(target: Addressed): RequestHandler<RelayRequest, ServerResponse>
  close(): void
}

const mostOrigins = 256

/**
 * The pass-through lane: everything that is relayed without being read, of any size. http-proxy-middleware sends; the answer goes
 * through the same `deliver` as every other, so that outcomes, hashes and the row are made in one place. Own agents, each socket of which
 * is watched; `selfHandleResponse`, because the middleware leaves the upstream open when the client leaves before the head.
 */
export const relayBy = ({ config, deadlines, delivery, guard }: RelayDeps): Relay => {
  const agents = guardedAgents({ guard, headerBytes: config.ceilings.upstreamHeaders })
  const middlewares = new Map<string, RequestHandler<RelayRequest, ServerResponse>>()
  const middlewareFor = ({ origin, byCaller = false }: Addressed): RequestHandler<RelayRequest, ServerResponse> => {
    const key = byCaller ? `by caller ${origin}` : origin
    let found = middlewares.get(key)
    if (found === undefined) {
      found = createProxyMiddleware<RelayRequest, ServerResponse>({
        target: origin,
        changeOrigin: true,
        xfwd: false,
        followRedirects: false,
        selfHandleResponse: true,
        agent: agents.for(origin, guard.reachOf(origin, byCaller), byCaller),
        pathRewrite: (path, req) => req.relaying?.path ?? path,
        on: {
          proxyReq: (proxyReq, req) => req.relaying?.sending(proxyReq),
          proxyReqWs: (proxyReq, req) => (req as RelayRequest).relaying?.sending(proxyReq),
          proxyRes: (proxyRes, req) => req.relaying?.answered(proxyRes),
          error: (cause, req) => (req as RelayRequest).relaying?.failed(cause),
        },
      })
      const [oldest] = middlewares
      if (middlewares.size >= mostOrigins && oldest !== undefined) middlewares.delete(oldest[0])
      middlewares.set(key, found)
    }
    return found
  }
  return {
    middlewareFor,
    close: agents.close,
    web: async (call, req, res, record, client) => {
      const { target } = call
      if (target === null) throw new WeirError('internal', 'A call without a target cannot be relayed.')
      checkProviderAllowed(call, target.provider)
      record.mark('admitted')
      meetExpectation(req, res)
      const failure = await record.start()
      if (failure !== null) {
        if (record.durability === 'strict' || config.journal.full === 'refuse')
          throw new WeirError('journal_unavailable', `The journal cannot take the call: ${failure.message}`, { cause: failure })
        record.warnings.push('journal-full')
      }
      if (client.gone) throw new ClientGone()
      const reply = await new Promise<Reply>((resolve, reject) => {
        const host = target.origin.slice(target.origin.indexOf('//') + 2)
        const relayRequest = req as RelayRequest
        const { ttft, uploadIdle } = config.timeouts
        let proxyRequest: ClientRequest | null = null
        let answered = false
        /** The upstream takes nothing: its time runs, not the client's. */
        const isHeldUp = (): boolean => proxyRequest?.writableNeedDrain === true
        let heldUpSince: number | null = null
        const watch: Watched = {
          slot: -1,
          dueAt: deadlines.now() + (req.complete ? ttft : uploadIdle),
          expired: (now) => {
            if (!req.complete && isHeldUp() && now - (heldUpSince ??= now) + uploadIdle < ttft) {
              watch.dueAt = now + uploadIdle
              return
            }
            if (!answered)
              reject(
                req.complete || isHeldUp()
                  ? new WeirError('timeout_ttft', `${host} did not begin to answer within ${ttft} ms.`)
                  : new WeirError(
                      'request_timeout',
                      `The request body stood still for ${uploadIdle} ms (timeouts.uploadIdle in weir.yaml).`,
                    ),
              )
            proxyRequest?.destroy()
          },
        }
        deadlines.add(watch)
        // Data is counted and hashed beside the middleware's own pipe, which rules the flow.
        req.on('data', (chunk: Buffer) => {
          record.request?.push(chunk)
          heldUpSince = null
          if (!answered) watch.dueAt = deadlines.now() + uploadIdle
        })
        req.on('end', () => {
          if (!answered) watch.dueAt = deadlines.now() + ttft
        })
        const settled = (): void => {
          answered = true
          deadlines.remove(watch)
        }
        relayRequest.relaying = {
          path: target.path,
          sending: (proxyReq) => {
            proxyRequest = proxyReq
            if (client.gone) return void proxyReq.destroy()
            record.mark('sent')
          },
          answered: (proxyRes) => {
            settled()
            resolve(replyOf(proxyRes, () => proxyRequest?.destroy(), { deadlines, idleMs: config.timeouts.idle, host }))
          },
          failed: (cause) => {
            settled()
            reject(client.gone ? new ClientGone() : upstreamError(cause, host, false, config.timeouts.connect))
          },
        }
        client.serving = {
          clientLeft: () => {
            settled()
            proxyRequest?.destroy()
            reject(new ClientGone())
          },
        }
        req.headers = headersOf(call, target, req.headers)
        void middlewareFor(target)(relayRequest, res, (cause) => {
          if (cause !== undefined) reject(cause as Error)
        })
      })
      await deliver(reply, res, record, client, delivery)
    },
  }
}

/** Headers as the middleware wants them: an object, lower-case, repeated ones in a list. */
export const headersOf = (call: Call, target: Target, asReceived: IncomingHttpHeaders): IncomingHttpHeaders => {
  const headers: Record<string, string | string[]> = {}
  const flat = target.byCaller === true ? withoutMetadata(headersFor(call, target)) : headersFor(call, target)
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase()
    const value = flat[i + 1] as string
    const before = headers[name]
    headers[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  // The framing of the request stays as it came: the body is streamed, not held.
  const length = asReceived['content-length']
  if (length !== undefined) headers['content-length'] = length
  else if (asReceived['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  if (!target.provider.builtIn) {
    headers['weir-hop'] = String(call.hop + 1)
    headers.via = '1.1 weir'
  }
  return headers
}

interface ReplyDeps {
  readonly deadlines: Deadlines
  readonly idleMs: number
  readonly host: string
}

const replyOf = (message: IncomingMessage, abort: () => void, { deadlines, idleMs, host }: ReplyDeps): Reply => {
  let over = false
  let sink: Sink | null = null
  const idle: Watched = {
    slot: -1,
    giveUp: (cause) => fail(cause),
    dueAt: deadlines.now() + idleMs,
    expired: (now) => {
      if (message.isPaused()) idle.dueAt = now + idleMs
      else fail(new WeirError('timeout_idle', `${host} sent nothing for ${idleMs} ms.`))
    },
  }
  const stop = (): void => {
    over = true
    deadlines.remove(idle)
  }
  const fail = (cause: Error): void => {
    if (over) return
    stop()
    abort()
    sink?.fail(cause)
  }
  return {
    status: message.statusCode ?? 502,
    statusText: message.statusMessage ?? '',
    headers: message.rawHeaders,
    body: {
      attach: (to) => {
        sink = to
        deadlines.add(idle)
        message.on('data', (chunk: Buffer) => {
          idle.dueAt = deadlines.now() + idleMs
          to.data(chunk)
        })
        message.on('end', () => {
          if (over) return
          stop()
          to.end()
        })
        const broken = (): void => fail(new WeirError('upstream_reset', `${host} broke the connection inside its answer.`))
        message.on('aborted', broken)
        message.on('error', broken)
      },
      pause: () => void message.pause(),
      resume: () => void message.resume(),
      destroy: () => {
        if (over) return
        stop()
        abort()
      },
    },
  }
}
