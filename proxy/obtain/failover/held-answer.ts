import type { AnswerError, Raw } from '../../../core/exchange.js'
import type { AnswerReader } from '../../../core/providers/answer.js'
import { readAnswer } from '../../../core/providers/read-answer.js'
import { sortAnswerHeaders } from '../../answer-headers.js'
import { withoutEnd } from '../../deliver/whole-answer.js'
import type { Reply, ReplyBody, Sink, Target } from '../../call.js'
import { ClientGone } from '../../admit/read-body.js'
import type { Client, Leavable } from '../../client.js'
import type { CallRecord } from '../../record.js'

/** How an answer is held (routing.md §4). */
const mostEvents = 64
const mostBytes = 256 * 1024
const mostMs = 30_000
/** What is read of an error answer, and how long is waited for it. */
const mostErrorBytes = 64 * 1024
const mostErrorMs = 2000
/** How often an encoded answer is looked at: what is read of it shows later than its bytes come. */
const lookMs = 5

/** What a held answer turned out to be. */
export interface Verdict {
  /** `null` = an answer as it should be, as far as it came. */
  readonly error: AnswerError | null
  /** The upstream broke off. */
  readonly cause: Error | null
}

const fine: Verdict = { error: null, cause: null }

const isStream = (contentType: string | null, target: Target): boolean =>
  !/^\s*application\/(?:[\w.-]+\+)?json\b/i.test(contentType ?? '') || target.route.family === 'gemini'

/**
 * An answer before the commit: its bytes are kept until it is known whether it is one. Then it is either passed on, every byte as it came,
 * or dropped.
 */
export class HeldAnswer implements Sink, ReplyBody, Leavable {
  readonly status: number
  readonly headers: readonly string[]
  /** A stream is an answer once content has come; anything else once it is whole. */
  readonly streams: boolean
  #chunks: Buffer[] = []
  #bytes = 0
  #sink: Sink | null = null
  #ended = false
  #failure: Error | null = null
  #timer: NodeJS.Timeout | null = null
  #look: NodeJS.Timeout | null = null
  #settle: ((verdict: Verdict) => void) | null = null
  #leave: ((cause: Error) => void) | null = null
  #dropped = false
  readonly #reply: Reply
  readonly #record: CallRecord
  readonly #reader: AnswerReader
  readonly #asksStream: boolean
  readonly #encoded: boolean

  constructor(reply: Reply, target: Target, record: CallRecord) {
    const { status, headers } = reply
    const { contentType, contentEncoding, servedModel, errorType } = sortAnswerHeaders(headers)
    this.status = status
    this.headers = headers
    this.#reply = reply
    this.#record = record
    this.#asksStream = record.asked?.streaming === true
    this.streams = this.#asksStream && status < 400 && isStream(contentType, target)
    this.#encoded = contentEncoding !== null && contentEncoding !== 'identity'
    this.#reader = readAnswer({
      family: target.route.family,
      api: target.route.api,
      provider: target.provider.name,
      streaming: this.#asksStream,
      status,
      contentType,
      contentEncoding,
      servedModel,
      errorType,
      bounds: record.reading,
    })
  }

  /**
   * Reads until it is known what this is.
   *
   * @throws ClientGone; the answer is dropped then.
   */
  look(client: Client): Promise<Verdict> {
    this.#record.answered(this.status)
    return new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#leave = reject
      client.serving = this
      if (client.gone) return this.clientLeft()
      this.#timer = setTimeout(() => this.#timeIsUp(), this.status >= 400 ? mostErrorMs : mostMs)
      this.#reply.body.attach(this)
      if (this.#encoded && this.#settle !== null) this.#look = setInterval(() => this.#check(), lookMs)
    })
  }

  /** What was read, as it came. */
  get body(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
  }

  usageRaw(): readonly Raw[] {
    return this.#reader.facts().usageRaw
  }

  data(chunk: Buffer): void {
    if (this.#sink !== null) return this.#sink.data(chunk)
    if (this.#bytes === 0) this.#record.came()
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#settle === null) return
    this.#reader.push(chunk)
    this.#check()
  }

  end(): void {
    this.#ended = true
    if (this.#sink !== null) return this.#sink.end()
    if (this.#settle !== null) this.#afterReading(() => this.#whole())
  }

  fail(cause: Error): void {
    this.#failure = cause
    if (this.#sink !== null) return this.#sink.fail(cause)
    if (this.#settle !== null) this.#afterReading(() => this.#decide({ error: this.#error, cause }))
  }

  #afterReading(then: () => void): void {
    const reading = this.#reader.end()
    if (reading === undefined) then()
    else void reading.then(then)
  }

  get #error(): AnswerError | null {
    return this.#reader.facts().error
  }

  /** Nothing more will come, and the upstream says that it is all. */
  #whole(): void {
    const { error, finishReason, notes } = this.#reader.facts()
    const lacksEnd = (this.streams && !this.#reader.terminal && finishReason === null) || notes.includes('unfinished')
    const cut = this.status < 400 && error === null && lacksEnd && !notes.includes('unreadable')
    this.#decide({ error, cause: cut ? withoutEnd() : null })
  }

  #check(): void {
    if (this.#settle === null) return
    if (this.status >= 400) {
      if (this.#bytes >= mostErrorBytes) this.#decide({ error: this.#error, cause: null })
      return
    }
    if (this.streams) {
      if (this.#reader.content) return this.#decide(fine)
      const { error, events, notes } = this.#reader.facts()
      if (error !== null) return this.#decide({ error, cause: null })
      if (events >= mostEvents || this.#reader.terminal || notes.includes('unreadable')) return this.#decide(fine)
    }
    if (this.#bytes >= mostBytes) this.#decide({ error: this.#error, cause: null })
  }

  #timeIsUp(): void {
    this.#decide({ error: this.#error, cause: null })
  }

  #decide(verdict: Verdict): void {
    const settle = this.#settle
    if (settle === null) return
    this.#settle = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#look !== null) clearInterval(this.#look)
    settle(verdict)
  }

  /** To the client as it came. */
  passOn(headers: readonly string[] = this.headers): Reply {
    return { status: this.status, statusText: this.#reply.statusText, headers, body: this }
  }

  /** It is not the answer. @returns Whether it could still be passed on: it has come whole, and is short. */
  drop(): boolean {
    this.#dropped = true
    const kept = this.#ended && this.#bytes <= mostErrorBytes
    if (!this.#ended && this.#failure === null) this.#reply.body.destroy()
    if (!kept) this.#chunks = []
    return kept
  }

  attach(sink: Sink): void {
    this.#sink = sink
    for (const chunk of this.#chunks) sink.data(chunk)
    this.#chunks = []
    if (this.#failure !== null) sink.fail(this.#failure)
    else if (this.#ended) sink.end()
  }

  pause(): void {
    if (!this.#dropped) this.#reply.body.pause()
  }

  resume(): void {
    if (!this.#dropped) this.#reply.body.resume()
  }

  begun(): void {
    this.#reply.body.begun?.()
  }

  clientLeft(): void {
    this.destroy()
    this.#leave?.(new ClientGone())
  }

  destroy(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#look !== null) clearInterval(this.#look)
    this.#settle = null
    if (!this.#dropped) this.#reply.body.destroy()
  }
}
