import type { AnswerFacts, AnswerReader } from '../../../core/providers/answer.js'
import { WeirError } from '../../../core/errors.js'
import { ClientGone } from '../../admit/read-body.js'
import type { TappedHead } from '../../cache-use.js'
import type { Reply, ReplyBody, Sink } from '../../call.js'
import type { Client, Leavable } from '../../client.js'

/** What becomes of a call that waits for another's answer: that answer as it comes, or a try of its own, as the next leader or alone. */
export type Joined =
  'lead' | 'alone' | { readonly reply: Reply; readonly reader: AnswerReader; readonly leader: string; readonly target: number }

/** What somebody else reads already. */
class SharedReader implements AnswerReader {
  readonly #of: AnswerReader

  constructor(of: AnswerReader) {
    this.#of = of
  }

  get terminal(): boolean {
    return this.#of.terminal
  }
  get content(): boolean {
    return this.#of.content
  }
  get onBoundary(): boolean {
    return this.#of.onBoundary
  }
  push(): void {
    // Read by the leader.
  }
  end(): undefined {
    return undefined
  }
  facts(): AnswerFacts {
    return this.#of.facts()
  }
}

/** A call that waits for the head of another's answer. */
class Waiting implements Leavable {
  readonly settled: Promise<Joined>
  readonly #flight: Flight
  readonly #client: Client
  #resolve: ((joined: Joined) => void) | null = null
  #reject: ((cause: Error) => void) | null = null

  constructor(flight: Flight, client: Client) {
    this.#flight = flight
    this.#client = client
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    client.serving = this
  }

  settle(joined: Joined): void {
    if (this.#client.serving === this) this.#client.serving = null
    this.#resolve?.(joined)
  }

  clientLeft(): void {
    this.#flight.stopsWaiting(this)
    this.#reject?.(new ClientGone())
  }
}

/** A follower's side of the leader's answer. It keeps what its client does not take yet, by reference. */
class FollowedBody implements ReplyBody {
  #sink: Sink | null = null
  #queue: Buffer[]
  #queued = 0
  #paused = false
  #over: Error | 'end' | null = null
  #told = false
  readonly #flight: Flight

  constructor(flight: Flight, soFar: readonly Buffer[]) {
    this.#flight = flight
    this.#queue = [...soFar]
    this.#queued = soFar.reduce((sum, { length }) => sum + length, 0)
  }

  /** @returns False when so much waits that this follower must be let go. */
  take(chunk: Buffer, limitBytes: number): boolean {
    if (this.#sink !== null && !this.#paused && this.#queue.length === 0) {
      this.#sink.data(chunk)
      return true
    }
    this.#queue.push(chunk)
    this.#queued += chunk.length
    return this.#queued <= limitBytes
  }

  finish(over: Error | 'end'): void {
    this.#over ??= over
    this.#flow()
  }

  attach(sink: Sink): void {
    this.#sink = sink
    this.#flow()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#flow()
  }

  destroy(): void {
    this.#sink = null
    this.#queue = []
    this.#flight.leaves(this)
  }

  #flow(): void {
    while (this.#sink !== null && !this.#paused) {
      const chunk = this.#queue.shift()
      if (chunk === undefined) {
        if (this.#over === null || this.#told) return
        this.#told = true
        return this.#over === 'end' ? this.#sink.end() : this.#sink.fail(this.#over)
      }
      this.#queued -= chunk.length
      this.#sink.data(chunk)
    }
  }
}

/**
 * One call upstream that others, identical to it, wait for (routing.md §8). It ends once: by `end` or `fail` after its head has come, by
 * `failed` before that, or by `close` when its caller has left and nobody else waits.
 */
export class Flight {
  /** Called when the last of those who wait has left. */
  deserted: (() => void) | null = null
  #waiting: Waiting[] = []
  readonly #bodies = new Set<FollowedBody>()
  #takenOver = false
  #head: TappedHead | null = null
  #leader = ''
  #target = 0
  /** `null` = more than is kept has passed: nobody can join any more. */
  #chunks: Buffer[] | null = []
  #bytes = 0
  #over: Error | 'end' | null = null
  readonly #limitBytes: number
  readonly #closed: () => void

  /**
   * @param limitBytes What has passed is kept so far, for those who join late or take it slowly.
   * @param closed Called when nobody is to join any more; perhaps more than once.
   */
  constructor(limitBytes: number, closed: () => void) {
    this.#limitBytes = limitBytes
    this.#closed = closed
  }

  get awaited(): boolean {
    return this.#waiting.length > 0 || this.#bodies.size > 0
  }

  /** @throws ClientGone when the client leaves first. */
  join(client: Client): Promise<Joined> {
    if (this.#head !== null) return Promise.resolve(this.#joinedTo(this.#head))
    const waiting = new Waiting(this, client)
    this.#waiting.push(waiting)
    return waiting.settled
  }

  /** @param target Position of the target that answers, among those of the call. */
  begin(head: TappedHead, leader: string, target: number): void {
    this.#head = head
    this.#leader = leader
    this.#target = target
    const waiting = this.#waiting
    this.#waiting = []
    for (const each of waiting) each.settle(this.#joinedTo(head))
  }

  data(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#chunks !== null) {
      if (this.#bytes <= this.#limitBytes) this.#chunks.push(chunk)
      else {
        this.#chunks = null
        this.#closed()
      }
    }
    for (const body of this.#bodies)
      if (!body.take(chunk, 2 * this.#limitBytes)) {
        this.#bodies.delete(body)
        body.finish(new WeirError('upstream_reset', 'The answer came faster than it was taken.'))
      }
  }

  /** Whoever joins between here and `close` gets all of it. */
  end(): void {
    this.#finish('end')
  }

  fail(cause: Error): void {
    this.#finish(cause)
    this.#closed()
  }

  /** No answer that could be shared: one of those who wait tries once for all, then each for itself. */
  failed(): void {
    this.deserted = null
    const next = this.#takenOver ? undefined : this.#waiting.shift()
    this.#takenOver = true
    if (next !== undefined) return next.settle('lead')
    this.close()
  }

  close(): void {
    this.#closed()
    const waiting = this.#waiting
    this.#waiting = []
    for (const each of waiting) each.settle('alone')
  }

  stopsWaiting(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((each) => each !== waiting)
    if (!this.awaited) this.deserted?.()
  }

  leaves(body: FollowedBody): void {
    if (this.#bodies.delete(body) && !this.awaited) this.deserted?.()
  }

  #finish(over: Error | 'end'): void {
    this.#over ??= over
    const bodies = [...this.#bodies]
    this.#bodies.clear()
    for (const body of bodies) body.finish(over)
  }

  #joinedTo(head: TappedHead): Joined {
    const body = new FollowedBody(this, this.#chunks ?? [])
    if (this.#over === null) this.#bodies.add(body)
    else body.finish(this.#over)
    const { status, statusText, headers, reader } = head
    return {
      reply: { status, statusText, headers, body },
      reader: new SharedReader(reader),
      leader: this.#leader,
      target: this.#target,
    }
  }
}

/**
 * The leader's client, as the stages behind see it: it has not left while others wait for the answer.
 */
export class LeadersClient implements Client, Leavable {
  gone = false
  serving: Leavable | null = null
  readonly #flight: Flight

  constructor(client: Client, flight: Flight) {
    this.#flight = flight
    client.serving = this
    if (client.gone) this.clientLeft()
  }

  clientLeft(): void {
    if (this.#flight.awaited) this.#flight.deserted = () => this.#leave()
    else this.#leave()
  }

  #leave(): void {
    this.#flight.deserted = null
    this.gone = true
    this.#flight.close()
    this.serving?.clientLeft()
  }
}
