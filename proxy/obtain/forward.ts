import { channel } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import { WeirError } from '../../core/errors.js'
import type { HeldBody } from '../admit/read-body.js'
import type { Reply, ReplyBody, Sink, Target } from '../call.js'
import type { Leavable } from '../client.js'
import type { Watched, Deadlines } from '../deadlines.js'
import { takeEveryInterimAnswer } from './interim-answers.js'
import type { Pools } from './pools.js'

export interface Timeouts {
  readonly connect: number
  readonly ttft: number
  readonly idle: number
  readonly total: number
}

/** Times that are not the configured ones. */
export interface Times {
  readonly timeouts: Timeouts
  /** When all must be over, on the clock of the deadlines. */
  readonly totalAt: number
  /** `ttft` lasts to the first content of a stream, of which `ReplyBody.begun` tells, and not to its head alone. */
  readonly untilContent: boolean
}

/** What one send is given besides its target. */
export interface Sending {
  readonly method: string
  /** Flat pairs, complete but for `host` and `content-length`. */
  readonly headers: readonly string[]
  readonly body: HeldBody
  /** `null` = as configured. */
  readonly times: Times | null
  /** Reports moments of the send to the record. */
  readonly sent: () => void
  /** Told once the send can be given up, with what does it. */
  readonly abortable: (send: Leavable) => void
}

/** Sockets that have served a request before: only on those may "no byte came" mean a keep-alive race (wire.md §6). */
const served = new WeakSet<Socket>()
let starting: Exchange | null = null
channel('undici:client:sendHeaders').subscribe((message) => {
  const { socket } = message as { socket: Socket }
  if (starting !== null) {
    starting.goesOver(socket, served.has(socket))
    takeEveryInterimAnswer(socket)
  }
  starting = null
  served.add(socket)
})

const networkCodes: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known to DNS',
  EAI_AGAIN: 'DNS did not answer',
  ECONNREFUSED: 'it refused the connection',
  EHOSTUNREACH: 'it cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is self-signed',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate cannot be verified',
  EPROTO: 'TLS failed',
}
const badHead = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RESPONSE',
  'UND_ERR_INVALID_RETURN_VALUE',
])

/** An upgrade nobody asked for, or an answer to nothing: undici closes the connection on them, and says so in these words alone. */
const oddAnswers = new Set(['bad response', 'bad upgrade'])

/** What a failed send means to a caller. `hadHead`: the answer had begun. */
export const upstreamError = (cause: unknown, host: string, hadHead: boolean, connectMs: number): WeirError => {
  // The guard's own words.
  if (cause instanceof WeirError) return cause
  const code = String((cause as { code?: unknown }).code ?? '')
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT')
    return new WeirError('timeout_connect', `${host} did not accept a connection within ${connectMs} ms.`, { cause })
  const known = networkCodes[code]
  if (known !== undefined && !hadHead)
    return new WeirError('upstream_unreachable', `${host} cannot be called: ${known} (${code}).`, { cause })
  // Not every error of undici's parser has a code.
  const { name, message } = cause as { name?: unknown; message?: unknown }
  const isOdd = code === 'UND_ERR_SOCKET' && oddAnswers.has(String(message))
  if (badHead.has(code) || code.startsWith('HPE_') || name === 'HTTPParserError' || isOdd)
    return new WeirError('upstream_bad_response', `${host} answered with something that is not HTTP as it should be.`, { cause })
  return new WeirError(
    'upstream_reset',
    `${host} broke the connection ${hadHead ? 'inside its answer' : 'before it answered'}.`,
    { cause },
  )
}

/** One send and its answer: undici's handler on one side, `ReplyBody` on the other. */
class Exchange implements ReplyBody, Watched, Leavable {
  dueAt = 0
  slot = -1
  /** The client has gone: nothing is sent again. */
  left = false
  #abort: ((cause?: Error) => void) | null = null
  #socket: Socket | null = null
  #reused = false
  #resume: (() => void) | null = null
  #paused = false
  #sink: Sink | null = null
  #early: Buffer[] = []
  #ended = false
  #failure: Error | null = null
  #hadHead = false
  #over = false
  #given = false
  #reply: ((reply: Reply) => void) | null
  #refuse: ((cause: Error) => void) | null
  readonly #host: string
  readonly #timeouts: Timeouts
  readonly #deadlines: Deadlines
  readonly #totalAt: number
  readonly #startedAt: number
  /** By when a connection must be open, where that is not the pool's matter; 0 = it is, or it is open. */
  #connectAt: number
  /** By when content must have come; infinite = it has, or the head was enough. */
  #contentAt: number
  #idleAt: number

  constructor(
    host: string,
    { timeouts: configured, deadlines }: ForwardDeps,
    startedAt: number,
    times: Times | null,
    reply: (reply: Reply) => void,
    refuse: (cause: Error) => void,
  ) {
    const timeouts = times === null ? configured : times.timeouts
    this.#host = host
    this.#timeouts = timeouts
    this.#deadlines = deadlines
    this.#reply = reply
    this.#refuse = refuse
    this.#startedAt = startedAt
    this.#totalAt = times === null ? startedAt + timeouts.total : times.totalAt
    this.#contentAt = times?.untilContent === true ? startedAt + timeouts.ttft : Number.POSITIVE_INFINITY
    this.#connectAt = timeouts.connect < configured.connect ? startedAt + timeouts.connect : 0
    this.#idleAt = startedAt + (this.#connectAt === 0 ? timeouts.ttft : Math.min(timeouts.ttft, timeouts.connect))
    this.dueAt = Math.min(this.#idleAt, this.#totalAt)
    deadlines.add(this)
  }

  /** Ends the send as if the upstream had failed with `cause`. */
  giveUp(cause: Error): void {
    this.#fail(cause)
  }

  onConnect(abort: (cause?: Error) => void): void {
    this.#abort = abort
    if (this.#over) return abort()
    starting = this
    if (this.#connectAt === 0) return
    this.#connectAt = 0
    this.#idleAt = this.#startedAt + this.#timeouts.ttft
    this.dueAt = this.#nextDue()
  }

  /** Its head is being written. */
  goesOver(socket: Socket, hasServed: boolean): void {
    this.#socket = socket
    this.#reused = hasServed
  }

  onHeaders(status: number, raw: readonly Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return true
    this.#hadHead = true
    this.#resume = resume
    this.#touch()
    const headers: string[] = []
    let length: string | null = null
    let twoLengths = false
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] as Buffer).toString('latin1')
      const value = (raw[i + 1] as Buffer).toString('latin1')
      if (name.length === 14 && name.toLowerCase() === 'content-length') {
        if (length !== null && length !== value) twoLengths = true
        length = value
      }
      headers.push(name, value)
    }
    if (twoLengths) {
      this.#fail(new WeirError('upstream_bad_response', `${this.#host} sent two different content-lengths.`))
      return true
    }
    this.#reply?.({ status, statusText, headers, body: this })
    this.#reply = null
    this.#refuse = null
    return !this.#paused
  }

  onData(chunk: Buffer): boolean {
    this.#touch()
    if (this.#sink === null) this.#early.push(chunk)
    else this.#sink.data(chunk)
    return !this.#paused
  }

  onComplete(): void {
    if (this.#over) return
    this.#ended = true
    this.#finish()
    this.#sink?.end()
  }

  onError(cause: Error): void {
    if (this.#over) return
    this.#fail(upstreamError(cause, this.#host, this.#hadHead, this.#timeouts.connect))
  }

  /** No byte of an answer came, on a socket that had served before: the peer closed it while we wrote. */
  get raced(): boolean {
    return this.#reused && !this.#hadHead
  }

  expired(now: number): void {
    const wait = (): void => void (this.dueAt = this.#nextDue())
    if (now >= this.#totalAt)
      return this.#fail(new WeirError('timeout_total', `${this.#host} took longer than ${this.#timeouts.total} ms in all.`))
    if (this.#connectAt !== 0 && now >= this.#connectAt)
      return this.#fail(
        new WeirError('timeout_connect', `${this.#host} did not accept a connection within ${this.#timeouts.connect} ms.`),
      )
    if (now >= this.#contentAt)
      return this.#fail(new WeirError('timeout_ttft', `${this.#host} sent no content within ${this.#timeouts.ttft} ms.`))
    if (this.#paused) {
      this.#idleAt = now + this.#timeouts.idle
      return wait()
    }
    if (now < this.#idleAt) return wait()
    this.#fail(
      this.#hadHead
        ? new WeirError('timeout_idle', `${this.#host} sent nothing for ${this.#timeouts.idle} ms.`)
        : new WeirError('timeout_ttft', `${this.#host} did not begin to answer within ${this.#timeouts.ttft} ms.`),
    )
  }

  #touch(): void {
    this.#idleAt = this.#deadlines.now() + this.#timeouts.idle
    if (this.dueAt !== 0) this.dueAt = this.#nextDue()
  }

  #nextDue(): number {
    return Math.min(this.#idleAt, this.#totalAt, this.#contentAt)
  }

  begun(): void {
    this.#contentAt = Number.POSITIVE_INFINITY
  }

  #finish(): void {
    this.#over = true
    this.#deadlines.remove(this)
  }

  /** Nothing more of it is wanted. */
  #cutOff(): void {
    // Before undici does it: it would take what it aborts for a request that waits, and open a connection for it (nodejs/undici#5845).
    this.#socket?.destroy()
    this.#abort?.()
  }

  #fail(cause: Error): void {
    if (this.#over) return
    this.#finish()
    this.#failure = cause
    if (this.#refuse !== null) {
      this.#refuse(cause)
      this.#refuse = null
    } else this.#sink?.fail(cause)
    this.#cutOff()
  }

  attach(sink: Sink): void {
    this.#sink = sink
    for (const chunk of this.#early) sink.data(chunk)
    this.#early = []
    if (this.#given) return
    if (this.#failure !== null) sink.fail(this.#failure)
    else if (this.#ended) sink.end()
    this.#given = true
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#touch()
    this.#resume?.()
  }

  clientLeft(): void {
    this.left = true
    this.destroy()
  }

  destroy(): void {
    if (this.#over) return
    this.#finish()
    this.#sink = null
    this.#cutOff()
    this.#refuse?.(new WeirError('upstream_reset', 'The call was given up.'))
    this.#refuse = null
  }
}

export interface ForwardDeps {
  readonly pools: Pools
  readonly deadlines: Deadlines
  readonly timeouts: Timeouts
}

/**
 * Sends a call to a target once, and once more if a reused connection turns out to have been closed by the peer before any byte of an
 * answer (`replayed`).
 *
 * @returns The reply as soon as its head is there; its body is still flowing.
 * @throws WeirError `upstream_*`, `timeout_*`.
 */
export const forwardBy =
  (deps: ForwardDeps) =>
  (target: Target, sending: Sending, replayed: () => void): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const host = target.origin.slice(target.origin.indexOf('//') + 2)
      const { pools } = deps
      const startedAt = deps.deadlines.now()
      const send = (resend: boolean): void => {
        const exchange = new Exchange(host, deps, startedAt, sending.times, resolve, (cause) => {
          if (!resend && exchange.raced && (cause as WeirError).code === 'upstream_reset' && !exchange.left) {
            replayed()
            send(true)
          } else reject(cause)
        })
        sending.abortable(exchange)
        const body = sending.body.open()
        const headers = Buffer.isBuffer(body)
          ? (sending.headers as string[])
          : [...sending.headers, 'content-length', String(sending.body.length)]
        sending.sent()
        const pool = resend ? pools.unshared(target) : pools.of(target)
        pool.dispatch(
          {
            path: target.path,
            method: sending.method as Dispatcher.HttpMethod,
            headers,
            body: Buffer.isBuffer(body) && body.length === 0 ? null : body,
          },
          exchange as unknown as Dispatcher.DispatchHandler,
        )
      }
      send(false)
    })
