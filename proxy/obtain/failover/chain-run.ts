import type { Failure } from '../../../core/conditions.js'
import type { Config } from '../../../core/config.js'
import { kindOfStatus } from '../../../core/providers/error-status.js'
import { errors, WeirError } from '../../../core/errors.js'
import type { Attempt } from '../../../core/exchange.js'
import type { Asked } from '../../../core/providers/read-request.js'
import type { Admitted } from '../../admit/admit.js'
import { ClientGone } from '../../admit/read-body.js'
import { Attempts } from '../../attempts.js'
import type { Reply } from '../../call.js'
import type { Chain, ChainTarget } from '../../chain.js'
import type { Client } from '../../client.js'
import type { Deadlines } from '../../deadlines.js'
import { endingOf, type CallRecord } from '../../record.js'
import type { BreakerStore } from '../../state/breaker-store.js'
import type { Timeouts, Times } from '../forward.js'
import type { Send } from '../send.js'
import { isRetried, movesOn } from './actions.js'
import { adviceIn, type Advice } from './asked-wait.js'
import { backOffMs, waitMs } from './back-off.js'
import { healthOf } from './health.js'
import { HeldAnswer } from './held-answer.js'
import { ranked, type RankDeps } from './rank.js'
import { readyTargets, type Ready } from './ready.js'

export interface ChainDeps extends RankDeps {
  readonly deadlines: Deadlines
  readonly timeouts: Timeouts
  readonly breaker: BreakerStore
  /** A short name for a credential, which tells nothing about it. */
  readonly fingerprint: (credential: string) => string
  /** Attempts of one call, over all targets. */
  readonly config: { readonly ceilings: Pick<Config['ceilings'], 'attempts'> }
}

/** Asked to wait longer, a target is not tried again. */
const longestAskedMs = 60_000
/** Asked to wait longer, the next target is tried at once. */
const patienceMs = 2000

/** An attempt that failed. */
interface Failed {
  readonly failure: Failure
  readonly advice: Advice
  /** What was answered; `null` = nothing was. */
  readonly held: HeldAnswer | null
  /** Ours, where nothing was answered. */
  readonly cause: WeirError | null
}

/** An answer that was not passed on, and could be. */
interface Kept {
  readonly held: HeldAnswer
  readonly attempt: Attempt
  readonly ready: Ready
}

const nothing = Buffer.alloc(0)
const noAdvice: Advice = { waitMs: 0, shouldRetry: null }
const ordinary = { num: 0, factor: 2, minMs: 1000, maxMs: 10_000, on: null }

const withoutRetry = (headers: readonly string[]): readonly string[] => {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2)
    if ((headers[i] as string).toLowerCase() !== 'x-should-retry') kept.push(headers[i] as string, headers[i + 1] as string)
  kept.push('x-should-retry', 'false')
  return kept
}

/** Retries an SDK has made of its own, as the client libraries of OpenAI and Anthropic tell. */
const retriesOfSdk = (headers: readonly string[]): number => {
  for (let i = 0; i < headers.length; i += 2)
    if ((headers[i] as string).toLowerCase() === 'x-stainless-retry-count')
      return /^\d{1,4}$/.test(headers[i + 1] as string) ? Number(headers[i + 1]) : 0
  return 0
}

/** All attempts of one call. */
export class ChainRun {
  readonly #deps: ChainDeps
  readonly #send: Send
  readonly #admitted: Admitted
  readonly #chain: Chain
  readonly #record: CallRecord
  readonly #client: Client
  readonly #attempts = new Attempts()
  readonly #asked: Asked | null
  readonly #total: number
  /** On the clock of the deadlines. */
  readonly #totalAt: number
  readonly #retriesOfSdk: number
  /** Attempts that may still be made. */
  #budget: number
  #untried: Ready[] = []
  #kept: Kept | null = null

  constructor(
    deps: ChainDeps,
    send: Send,
    admitted: Admitted,
    chain: Chain,
    { record, client }: { readonly record: CallRecord; readonly client: Client },
  ) {
    this.#deps = deps
    this.#send = send
    this.#admitted = admitted
    this.#chain = chain
    this.#record = record
    this.#client = client
    this.#asked = record.asked
    this.#total = this.#narrowed('total')
    this.#totalAt = deps.deadlines.now() - record.elapsedMs() + this.#total
    this.#retriesOfSdk = chain.asked.retry === null ? 0 : retriesOfSdk(admitted.call.headers)
    this.#budget = deps.config.ceilings.attempts
    record.attempts = this.#attempts
  }

  /** @throws WeirError `upstream_*`, `timeout_*`, when nobody answered; `credential_missing`; ClientGone. */
  async obtain(): Promise<Reply> {
    this.#untried = await this.#inOrder()
    let ready = await this.#pick(this.#untried)
    if (ready === null)
      throw new WeirError(
        'credential_missing',
        'No target is left that a key is known for: give Weir-<Provider>-Key, or let weir.yaml hold one (providers.<name>.key).',
      )
    let retry = 0
    for (;;) {
      const tried = await this.#try(ready, retry)
      if ('body' in tried) return tried
      this.#noteHealth(ready, tried.failure.kind, tried.advice.waitMs)
      if (this.#hasLeft) {
        this.#close(tried, ready)
        throw new ClientGone()
      }
      const others = this.#nextAfter(tried, ready)
      const wait = this.#waitBefore(retry, tried, ready, others.length > 0)
      if (wait === null && others.length === 0) return this.#giveUp(tried)
      this.#close(tried, ready)
      this.#attempts.spent = true
      if (wait !== null) {
        await waitMs(wait, this.#client, this.#deps.deadlines)
        retry++
      } else {
        ready = (await this.#pick(others)) ?? ready
        retry = 0
      }
      if (this.#hasLeft) throw new ClientGone()
    }
  }

  get #hasLeft(): boolean {
    return this.#client.gone || this.#client.left === true
  }

  /** Who can be sent to, in the order in which they are tried: those that failed of late come last, unless all did. */
  async #inOrder(): Promise<Ready[]> {
    const { asked, targets } = this.#chain
    const { breaker, fingerprint } = this.#deps
    const all = readyTargets(this.#chain, this.#admitted, this.#asked, { attempts: this.#attempts, fingerprint })
    if (targets.length > 1) this.#attempts.index = all[0]?.to.index ?? 0
    if (all.length < 2) return all
    const ready = await ranked(all, asked.strategy, this.#admitted, this.#deps)
    const states = await breaker.look(
      this.#admitted.call.tenant,
      ready.map(({ circuit }) => circuit),
    )
    if (states.every((state) => state === 'open')) return [...ready]
    for (const [index, each] of ready.entries()) {
      each.state = states[index] ?? 'closed'
      if (each.state === 'open') this.#attempts.skip(each.to.name, 'circuit_open')
    }
    return [...ready.filter(({ state }) => state !== 'open'), ...ready.filter(({ state }) => state === 'open')]
  }

  /** Takes the first of some targets out of those that were not tried. One that another call is finding out about waits its turn. */
  async #pick(candidates: readonly Ready[]): Promise<Ready | null> {
    let picked = candidates[0] ?? null
    for (const each of candidates) {
      if (each.state !== 'half' || (await this.#deps.breaker.probe(this.#admitted.call.tenant, each.circuit))) {
        picked = each
        break
      }
      each.state = 'open'
      this.#attempts.skip(each.to.name, 'circuit_open')
    }
    this.#untried = this.#untried.filter((each) => each !== picked)
    return picked
  }

  #noteHealth({ circuit }: Ready, kind: Failure['kind'], askedMs: number): void {
    const health = healthOf(kind, askedMs)
    if (health !== null) this.#deps.breaker.note(this.#admitted.call.tenant, circuit, health)
  }

  #works(ready: Ready, ms: number): void {
    this.#noteHealth(ready, '', 0)
    this.#deps.latencies.took(ready.circuit, ms)
  }

  /** One attempt. @returns The answer to pass on, or how it failed where something can still be done about it. */
  async #try(ready: Ready, retry: number): Promise<Reply | Failed> {
    const { to, head, content } = ready
    const record = this.#record
    this.#budget--
    const isLast = this.#untried.length === 0 && !this.#mayRetry(retry, ready)
    const target = head.path === to.target.path ? to.target : { ...to.target, path: head.path }
    if (content.altered !== null && !record.altered.includes(content.altered)) record.altered.push(content.altered)
    record.attempt(to.name, target, content.asked)
    if (this.#attempts.index !== null) this.#attempts.index = to.index
    let reply: Reply
    const sentAt = this.#deps.deadlines.now()
    try {
      const attempting = { call: this.#admitted.call, target, body: content.body, headers: head.headers, times: this.#times(to) }
      reply = await this.#send(attempting, record, this.#client)
    } catch (cause) {
      return this.#withoutAnswer(cause, to)
    }
    const headMs = this.#deps.deadlines.now() - sentAt
    if (isLast) {
      if (reply.status < 400) this.#works(ready, headMs)
      else this.#noteHealth(ready, kindOfStatus(reply.status), adviceIn(reply.headers, nothing, this.#deps.now()).waitMs)
      return this.#marked(reply)
    }
    const held = new HeldAnswer(reply, target, record)
    const { error, cause } = await held.look(this.#client)
    if (error === null && cause === null) {
      this.#works(ready, held.streams ? this.#deps.deadlines.now() - sentAt : headMs)
      return held.passOn()
    }
    const kind = error?.kind ?? this.#kindOf(cause, to)
    return {
      failure: { kind, status: held.status },
      advice: adviceIn(held.headers, held.status >= 400 ? held.body : nothing, this.#deps.now()),
      held,
      cause: null,
    }
  }

  #withoutAnswer(cause: unknown, to: ChainTarget): Failed {
    if (this.#client.gone) throw new ClientGone()
    // Ours, such as a proxy that stops: nobody else would do better.
    if (!(cause instanceof WeirError) || errors[cause.code].origin !== 'upstream') throw cause
    return { failure: { kind: this.#kindOf(cause, to), status: 0 }, advice: noAdvice, held: null, cause }
  }

  /** The time of one attempt was over, and not that of the call: another target may have more luck. */
  #kindOf(cause: unknown, to: ChainTarget): Failure['kind'] {
    const kind = cause instanceof WeirError ? (endingOf(cause).error?.kind ?? 'network') : 'network'
    return kind === 'timeout_total' && to.timeoutMs !== null && this.#deps.deadlines.now() < this.#totalAt ? 'timeout_ttft' : kind
  }

  /** The answer of a chain that is spent says that there is nothing to gain from another try. */
  #marked(reply: Reply): Reply {
    return reply.status < 400 || !this.#attempts.spent ? reply : { ...reply, headers: withoutRetry(reply.headers) }
  }

  #retriesOf({ to }: Ready): number {
    if (to.retries !== null) return to.retries
    const { retry } = this.#chain.asked
    return retry === null ? 0 : Math.max(0, retry.num - this.#retriesOfSdk)
  }

  /** Each target that was not tried yet keeps an attempt. */
  #mayRetry(retry: number, ready: Ready): boolean {
    return retry < this.#retriesOf(ready) && this.#budget > this.#untried.length
  }

  /** What runs on after its answer is lost must not be begun twice. */
  #mayBeRunning({ failure }: Failed): boolean {
    return this.#asked?.priceFacts.background === 1 && failure.status < 400
  }

  /** @returns How long to wait before this target is tried again; `null` = it is not. */
  #waitBefore(retry: number, failed: Failed, ready: Ready, canGoOn: boolean): number | null {
    const { failure, advice } = failed
    const rules = this.#chain.asked.retry ?? ordinary
    if (!this.#mayRetry(retry, ready) || this.#mayBeRunning(failed)) return null
    if (!isRetried(failure, rules.on, advice.shouldRetry)) return null
    if (advice.waitMs > longestAskedMs || (advice.waitMs > patienceMs && canGoOn)) return null
    const wait = Math.max(advice.waitMs, backOffMs(rules, retry, this.#deps.random()))
    return this.#deps.deadlines.now() + wait >= this.#totalAt ? null : wait
  }

  /** Those that may be tried after a failure. */
  #nextAfter(failed: Failed, { to }: Ready): readonly Ready[] {
    if (this.#budget <= 0 || this.#mayBeRunning(failed) || this.#deps.deadlines.now() >= this.#totalAt) return []
    return this.#untried.filter((other) => movesOn(failed.failure, to.leaveOn, other.to.on))
  }

  /** The attempt is over, and another follows. */
  #close({ failure, held }: Failed, ready: Ready): void {
    const attempt = this.#record.attemptOver({
      status: failure.status,
      errorKind: failure.kind,
      usageRaw: held?.usageRaw() ?? [],
    })
    if (held === null || attempt === null) return
    if (held.drop()) this.#kept = { held, attempt, ready }
  }

  /** Nothing is left to be tried: the last answer there was, else the failure. */
  #giveUp(failed: Failed): Reply {
    const { failure, held, cause } = failed
    if (held !== null) {
      this.#attempts.kind = failure.kind
      return this.#marked(held.passOn())
    }
    this.#record.attemptOver({ status: 0, errorKind: failure.kind, usageRaw: [] })
    if (this.#kept === null) throw cause ?? new WeirError('upstream_reset', 'The upstream gave no answer.')
    const { held: last, attempt, ready } = this.#kept
    this.#record.passesOn(attempt, ready.to.target, ready.content.asked)
    if (this.#attempts.index !== null) this.#attempts.index = ready.to.index
    return this.#marked(last.passOn())
  }

  #narrowed(name: keyof Timeouts): number {
    return Math.min(this.#deps.timeouts[name], this.#chain.asked.timeouts?.[name] ?? Number.POSITIVE_INFINITY)
  }

  #times({ ttftMs, timeoutMs }: ChainTarget): Times {
    const total = Math.min(this.#total, timeoutMs ?? Number.POSITIVE_INFINITY)
    const askedTtft = ttftMs ?? this.#chain.asked.timeouts?.ttft ?? null
    return {
      timeouts: {
        connect: this.#narrowed('connect'),
        ttft: Math.min(this.#deps.timeouts.ttft, askedTtft ?? Number.POSITIVE_INFINITY),
        idle: this.#narrowed('idle'),
        total,
      },
      totalAt: timeoutMs === null ? this.#totalAt : Math.min(this.#totalAt, this.#deps.deadlines.now() + timeoutMs),
      untilContent: askedTtft !== null && this.#asked?.streaming === true,
    }
  }
}
