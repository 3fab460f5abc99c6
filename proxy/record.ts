import { join } from 'node:path'
import type { AnswerFacts, AnswerReader } from '../core/providers/answer.js'
import type { Config } from '../core/config.js'
import { errors, type ErrorCode, type WeirError } from '../core/errors.js'
import {
  type AnswerError,
  bodyHead,
  type CacheFacts,
  nobody,
  type Attempt,
  type Counts,
  type ErrorKind,
  type Marks,
  type Mark,
  type Outcome,
  type ExchangeHead,
  type Learned,
  type Raw,
  type Settled,
} from '../core/exchange.js'
import { encodeParts } from '../core/exchange-parts.js'
import { kindOfStatus } from '../core/providers/error-status.js'
import type { ReadingBounds } from '../core/providers/read-answer.js'
import type { Asked } from '../core/providers/read-request.js'
import type { Route } from '../core/providers/routes.js'
import { maskSecrets } from '../core/redact.js'
import type { Durability, JournalWriter } from '../journal/port.js'
import { Attempts, saidOf } from './attempts.js'
import { BodyCopy, type CopyPool } from './body-copy.js'
import type { CacheUse, Tap } from './cache-use.js'
import type { Place } from './admit/key-places.js'
import type { Call, Target } from './call.js'
import type { Drain } from './drains.js'
import type { LimitUse } from './limit-use.js'
import { fitBodies } from './limits/fit-bodies.js'
import type { ProxyMetrics } from './metrics.js'

export interface RecordDeps {
  readonly journal: JournalWriter
  readonly config: Config
  readonly metrics: ProxyMetrics
  /** What the copies of all bodies hold together. */
  readonly copies: CopyPool
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly monotonic: () => number
}

/** What is known when an exchange ends. */
export interface Ending {
  readonly outcome: Outcome
  readonly status: number
  readonly error: AnswerError | null
}

const kindOf = (code: ErrorCode): ErrorKind => {
  if (code.startsWith('timeout_')) return code as ErrorKind
  if (code.startsWith('upstream_')) return 'network'
  switch (code) {
    case 'unknown_path':
      return 'not_found'
    case 'body_too_large':
    case 'headers_too_large':
      return 'too_large'
    case 'auth_missing':
    case 'auth_invalid':
    case 'credential_missing':
    case 'credential_mismatch':
    case 'sigv4_unsupported':
      return 'auth'
    case 'policy_denied':
    case 'target_denied':
    case 'loop_detected':
      return 'policy'
    case 'rate_limited':
    case 'too_many_in_flight':
      return 'rate_limit'
    case 'draining':
    case 'saturated':
    case 'journal_unavailable':
    case 'control_stale':
    case 'limits_unavailable':
      return 'overloaded'
    case 'internal':
      return 'internal'
    default:
      return 'bad_request'
  }
}

const cacheFacts = ({ status, replayed }: CacheUse): CacheFacts => ({
  status,
  originalId: replayed?.id ?? null,
  bucket: replayed?.slot ?? null,
  savedMs: replayed?.totalMs ?? 0,
})

/** How a call ends that one of our errors ended. */
export const endingOf = (error: WeirError): Ending => ({
  outcome: error.code.startsWith('timeout_') ? 'stall' : errors[error.code].origin === 'upstream' ? 'upstream_abort' : 'refused',
  status: error.status,
  error: { kind: kindOf(error.code), code: error.code, message: maskSecrets(error.message).slice(0, 4096) },
})

/** An event whose bodies leave so much of its limit fits, whatever else it tells: headers, attempts, usage as it came. */
const shortHeadBytes = 256 * 1024
/** What tells of two bodies in the head. */
const bodyHeadsBytes = 512
const noPieces: readonly Uint8Array[] = []
const noRaw: readonly Raw[] = []
const noneSaid: readonly string[] = []
const replayedOnce = { replayed: true } as const
const nothing = {}
const noFacts: Readonly<Record<string, string | number>> = {}
let sequence = 0

let [isoMs, isoText] = [Number.NaN, '']
/** Calls come several to the millisecond, or seldom. */
const iso = (ms: number): string => {
  if (ms !== isoMs) [isoMs, isoText] = [ms, new Date(ms).toISOString()]
  return isoText
}

/** Everything that is learned about one call on its way, and the two events it leaves. */
export class CallRecord {
  readonly id: string
  readonly startedAtMs: number
  call: Call | null = null
  target: Target | null = null
  asked: Asked | null = null
  reader: AnswerReader | null = null
  /** Allow-listed headers of the answer. */
  responseHeaders: readonly (readonly [string, string])[] = []
  responseEncoding: string | null = null
  request: BodyCopy | null = null
  response: BodyCopy | null = null
  chunks = 0
  readonly altered: string[] = []
  /** The usage was asked for by us alone: the event that tells it is not for the client. */
  hidesUsage = false
  readonly warnings: string[] = []
  /** Among the calls of its key; left once the call has. */
  place: Place | null = null
  /** What the cache did; `null` = it was not asked to read. */
  cache: CacheUse | null = null
  /** Gets a copy of the answer as it is relayed. */
  tap: Tap | null = null
  /** It is read to its end although its client has left; `null` = the client is there. */
  drain: Drain | null = null
  /** Of a call that may make several; `null` = it makes one. */
  attempts: Attempts | null = null
  /** True once the start record was written, or tried to be. */
  started = false
  /** What the limits did; `null` = there was none for it. */
  limits: LimitUse | null = null
  /** Settles what was reserved for the call, once it has ended. */
  settling: ((ending: Ending) => void) | null = null
  /** True once an end is in the journal, or on its way there. */
  ended = false
  /** Paths that match nothing leave no row. */
  rowless = false
  /** Id of the connection over which this response came; `null` = a call of its own. */
  connection: string | null = null
  readonly #marks: Marks = {
    admitted: null,
    sent: null,
    headers: null,
    firstByte: null,
    firstContent: null,
    lastByte: null,
    closed: null,
  }
  readonly #t0: number
  readonly #deps: RecordDeps
  #status = 0
  /** What kind of failure the end told of; `null` = it has not come. */
  #endKind: ErrorKind | null = null
  /** The attempt that is under way was sent a second time. */
  #replayed = false
  /** Written out for the start, used again for the end. */
  #settledText: string | null = null

  constructor(id: string, deps: RecordDeps) {
    this.id = id
    this.#deps = deps
    this.startedAtMs = deps.now()
    this.#t0 = deps.monotonic()
  }

  mark(mark: Mark): void {
    this.#marks[mark] = Math.round((this.#deps.monotonic() - this.#t0) * 1000)
  }

  /** Since the call came. */
  elapsedMs(): number {
    return this.#deps.monotonic() - this.#t0
  }

  get firstContentMarked(): boolean {
    return this.#marks.firstContent !== null
  }

  /** @throws WeirError what the call is refused for: who asked for it is on the row. */
  identified(call: Call): void {
    this.call = call
    this.target = call.target
    this.warnings.push(...call.warnings)
    if (call.target?.route.lane === 'relay') {
      if (call.steering.cache !== null) this.warnings.push('cache-off')
      if (call.steering.failover !== null) this.warnings.push('no-failover')
    }
    this.request = this.#copy('req', call.identity.omitRequest)
    this.response = this.#copy('res', call.identity.omitResponse)
    if (call.refused !== null) throw call.refused
  }

  /**
   * The record of one response that comes over this connection: a call of its own that is everything the connection is, and names it.
   * It leaves an end and no start.
   */
  partOf(turn: {
    readonly id: string
    readonly route: Pick<Route, 'api' | 'operation'>
    readonly model: string | null
  }): CallRecord {
    const part = new CallRecord(turn.id, this.#deps)
    const { target } = this
    part.connection = this.id
    part.call = this.call
    part.target = target === null ? null : { ...target, route: { ...target.route, ...turn.route } }
    part.asked = { model: turn.model, streaming: true, priceFacts: noFacts, user: null, malformed: false }
    part.mark('admitted')
    part.mark('sent')
    part.answered(this.#status)
    return part
  }

  /** A copy of what is told in pieces of its own, such as the events of a response. It has no file beside it. */
  piecewise(side: 'req' | 'res'): BodyCopy {
    const { store, limit } = this.#deps.config.bodies
    return new BodyCopy(!this.#omits(side), store ? limit : 0, null)
  }

  /** From here on only the length and the hash of what passes are kept: what it says is stored with the parts. */
  countOnly(): void {
    this.#releaseCopies()
    this.request = new BodyCopy(!this.#omits('req'), 0, null)
    this.response = new BodyCopy(!this.#omits('res'), 0, null)
  }

  #omits(side: 'req' | 'res'): boolean {
    const identity = this.call?.identity ?? nobody
    return side === 'req' ? identity.omitRequest : identity.omitResponse
  }

  #copy(side: 'req' | 'res', omit: boolean): BodyCopy {
    const { store, limit, spill } = this.#deps.config.bodies
    return new BodyCopy(
      !omit,
      store ? limit : 0,
      spill === null || !store ? null : () => join(spill, `${this.#spillName()}.${side}`),
      this.#deps.copies,
    )
  }

  #releaseCopies(): void {
    this.request?.release()
    this.response?.release()
  }

  #spillName(): string {
    const day = new Date(this.startedAtMs).toISOString().slice(0, 10).replaceAll('-', '')
    return `${this.call?.tenant ?? 'default'}/${day}/${this.id}`
  }

  /** How far its answer is read. */
  get reading(): ReadingBounds {
    return this.#deps.config.reading
  }

  get durability(): Durability {
    const asked = this.call?.durability ?? 'off'
    const configured = this.#deps.config.journal.durability
    return asked === 'strict' || configured === 'strict' ? 'strict' : configured === 'off' ? asked : configured
  }

  /** Of the answer; 0 before it has come. */
  get status(): number {
    return this.#status
  }

  answered(status: number): void {
    this.#status = status
    // What was held before it came here had its head long ago.
    if (this.#marks.headers === null) this.mark('headers')
  }

  /** A byte has come. */
  came(): void {
    if (this.#marks.firstByte === null) this.mark('firstByte')
  }

  /** An attempt goes out: the first one is when the call was sent. */
  sent(): void {
    if (this.#marks.sent === null) this.mark('sent')
  }

  /** The same once more, on a new connection. */
  replayed(): void {
    this.#replayed = true
    this.warnings.push('replayed')
  }

  /** Another attempt begins. From here on the call is one to this target, as it is asked. */
  attempt(name: string, target: Target, asked: Asked | null): void {
    const attempts = (this.attempts ??= new Attempts())
    if (this.target !== target || this.asked !== asked) this.#settledText = null
    this.target = target
    this.asked = asked
    this.#status = 0
    this.#replayed = false
    this.#marks.headers = null
    this.#marks.firstByte = null
    this.#marks.firstContent = null
    attempts.name = name
    attempts.startUs = this.#nowUs()
    attempts.kind = null
    attempts.open = true
  }

  /** The attempt is over, and its answer is not the call's, or not yet. */
  attemptOver({ status, errorKind, usageRaw }: Pick<Attempt, 'status' | 'errorKind' | 'usageRaw'>): Attempt | null {
    const { attempts, target } = this
    if (attempts === null || target === null || !attempts.open) return null
    const attempt = {
      target: attempts.name,
      provider: target.provider.name,
      model: this.asked?.model ?? '',
      status,
      errorKind,
      startUs: attempts.startUs,
      endUs: this.#nowUs(),
      usageRaw,
      ...(this.#replayed ? replayedOnce : nothing),
    }
    attempts.close(attempt, this.#replayed)
    return attempt
  }

  /** The answer of an attempt that was over is the call's after all. */
  passesOn(attempt: Attempt, target: Target, asked: Asked | null): void {
    this.attempts?.passOn(attempt)
    this.#settledText = null
    this.target = target
    this.asked = asked
  }

  /** The head goes to the client: no other target can follow. */
  committed(): void {
    if (this.attempts !== null) this.attempts.committedUs = this.#nowUs()
  }

  /** What `Weir-Attempts` says; empty where nothing was sent and nobody passed over. */
  attemptsSaid(): string {
    const said = this.attempts?.said ?? noneSaid
    const { target } = this
    const open = this.attempts === null ? this.#marks.sent !== null : this.attempts.open
    if (target === null || !open) return said.join(', ')
    const own = saidOf({
      name: this.attempts?.name ?? this.#targetName(target),
      status: this.#status,
      kind: this.#endKind ?? this.attempts?.kind ?? kindOfStatus(this.#status),
      ms: (this.#nowUs() - (this.attempts?.startUs ?? this.#marks.sent ?? 0)) / 1000,
      replayed: this.#replayed,
    })
    return said.length === 0 ? own : `${said.join(', ')}, ${own}`
  }

  #nowUs(): number {
    return Math.round(this.elapsedMs() * 1000)
  }

  /** Writes the start record. Resolves with the failure, if the journal does not take it. From here on call, target and asked stay. */
  start(): Promise<Error | null> {
    this.started = true
    const settled = this.#settled()
    this.#settledText = JSON.stringify(settled)
    const payload = encodeParts(
      this.#settledText,
      {
        kind: 'start',
        seq: ++sequence,
        marksUs: this.#marks,
        counts: this.#counts(undefined),
        altered: this.altered,
        warnings: this.warnings,
      },
      noPieces,
    )
    return new Promise((resolve) => {
      this.#deps.journal.append('start', this.id, settled.tenant, payload, this.durability, resolve)
    })
  }

  /**
   * Writes the end record, once. Whoever comes second is told at once that there is nothing to wait for.
   *
   * @param done Called when the record is as durable as was asked, or with the reason why it is not there.
   */
  end(ending: Ending, done: (failure: Error | null) => void): void {
    if (this.ended) return done(null)
    this.ended = true
    this.mark('closed')
    this.settling?.(ending)
    this.drain?.close()
    this.#endKind = ending.error?.kind ?? ''
    this.#deps.metrics.ended({
      provider: this.target?.provider.name ?? '',
      model: this.asked?.model ?? '',
      outcome: ending.outcome,
      errorKind: ending.error?.kind ?? '',
      errorCode: ending.error?.code ?? '',
      cache: this.cache?.status ?? null,
      sentUs: this.#marks.sent,
    })
    if (this.rowless) {
      this.#releaseCopies()
      return done(null)
    }
    const keep = !this.#deps.journal.state.shedsBodies
    const settled = this.#settledText ?? JSON.stringify(this.#settled())
    let reqBody = keep ? (this.request?.pieces(this.call?.contentEncoding ?? null) ?? null) : null
    let resBody = keep ? (this.response?.pieces(this.responseEncoding) ?? null) : null
    let learned = this.#learned(ending, bodyHead(reqBody), bodyHead(resBody))
    const most = this.#deps.config.journal.event
    if ((reqBody?.length ?? 0) + (resBody?.length ?? 0) + shortHeadBytes > most) {
      const headBytes = Buffer.byteLength(settled) + Buffer.byteLength(JSON.stringify(learned)) + bodyHeadsBytes
      ;[reqBody, resBody] = fitBodies(reqBody, resBody, most - headBytes)
      learned = { ...learned, reqBody: bodyHead(reqBody), resBody: bodyHead(resBody) }
    }
    this.#deps.journal.append(
      'end',
      this.id,
      this.#tenant,
      encodeParts(settled, { ...learned, reqBody: bodyHead(reqBody), resBody: bodyHead(resBody) }, [
        ...(reqBody?.pieces ?? noPieces),
        ...(resBody?.pieces ?? noPieces),
      ]),
      this.durability,
      (failure) => {
        this.#releaseCopies()
        done(failure)
      },
    )
  }

  get #tenant(): string {
    return this.call?.tenant ?? 'default'
  }

  #targetName(target: Target): string {
    const model = this.asked?.model ?? null
    return model === null ? target.provider.name : `${target.provider.name}/${model}`
  }

  #settled(): Settled {
    const { call, target, asked } = this
    const { config, journal } = this.#deps
    const identity = call?.identity ?? nobody
    return {
      v: 1,
      id: this.id,
      tenant: this.#tenant,
      writer: journal.writer,
      startedAt: iso(this.startedAtMs),
      operation: target?.route.operation ?? '',
      provider: target?.provider.name ?? '',
      api: target?.route.api ?? '',
      endpoint: call?.endpoint ?? '',
      target: target === null ? null : this.#targetName(target),
      serverAddress: target === null ? null : target.origin.slice(target.origin.indexOf('//') + 2),
      streaming: asked?.streaming ?? false,
      requestModel: asked?.model ?? null,
      priceFacts: asked?.priceFacts ?? noFacts,
      reqHeaders: call?.storedHeaders ?? [],
      identity: identity.userId === null && asked?.user ? { ...identity, userId: asked.user.slice(0, 256) } : identity,
      retentionDays: config.retention,
      ...(this.connection === null ? {} : { connection: this.connection }),
    }
  }

  #counts(facts: AnswerFacts | undefined): Counts {
    return {
      reqBytes: this.request?.length ?? 0,
      resBytes: this.response?.length ?? 0,
      chunks: this.chunks,
      events: facts?.events ?? 0,
      contentChars: facts?.contentChars ?? 0,
      toolCalls: facts?.toolCalls ?? 0,
    }
  }

  #learned({ outcome, status, error }: Ending, reqBody: ExchangeHead['reqBody'], resBody: ExchangeHead['resBody']): Learned {
    const { target, request, response } = this
    const facts = this.reader?.facts()
    const usageRaw = facts?.usageRaw ?? noRaw
    return {
      kind: 'end',
      seq: ++sequence,
      marksUs: this.#marks,
      responseModel: facts?.responseModel ?? null,
      responseId: facts?.responseId ?? null,
      finishReason: facts?.finishReason ?? null,
      status,
      outcome,
      error,
      attempts: this.#allAttempts(target, error, usageRaw),
      usageRaw,
      counts: this.#counts(facts),
      sha256: { req: request?.sha256() ?? null, res: response?.sha256() ?? null },
      resHeaders: this.responseHeaders,
      reqBody,
      resBody,
      cache: this.cache === null ? null : cacheFacts(this.cache),
      guardrails: [],
      altered: this.altered,
      warnings: this.warnings,
      notes: facts?.notes ?? [],
      ...(this.attempts === null ? nothing : this.attempts.facts()),
      ...(request?.spilled === true || response?.spilled === true ? { spill: this.#spillName() } : {}),
    }
  }

  #allAttempts(target: Target | null, error: AnswerError | null, usageRaw: readonly Raw[]): readonly Attempt[] {
    const { attempts } = this
    const isOpen = target !== null && this.#marks.sent !== null && (attempts === null || attempts.open)
    const last = isOpen ? [this.#attempt(target, error, usageRaw)] : []
    return attempts === null ? last : [...attempts.over, ...last]
  }

  #attempt(target: Target, error: AnswerError | null, usageRaw: readonly Raw[]): Attempt {
    const marks = this.#marks
    const attempt = {
      target: this.attempts?.name ?? this.#targetName(target),
      provider: target.provider.name,
      model: this.asked?.model ?? '',
      status: this.#status,
      errorKind: error?.kind ?? '',
      startUs: this.attempts?.startUs ?? marks.sent ?? 0,
      endUs: marks.lastByte ?? marks.closed ?? 0,
      usageRaw,
    }
    return this.#replayed ? { ...attempt, ...replayedOnce } : attempt
  }
}
