import type { ServerResponse } from 'node:http'
import { errorOfStatus } from '../core/providers/classify-error.js'
import { WeirError } from '../core/errors.js'
import type { Family } from '../core/providers/registry.js'
import type { AnswerFacts } from '../core/providers/answer.js'
import { readAnswer } from '../core/providers/read-answer.js'
import { maskSecrets } from '../core/redact.js'
import { isDrained, mostDrainedBytes, type Drains } from './drains.js'
import { sortAnswerHeaders } from './answer-headers.js'
import type { Call, Reply, Sink } from './call.js'
import type { Client, Leavable } from './client.js'
import type { Deadlines, Watched } from './deadlines.js'
import type { Pricing } from './deliver/cost-in-answer.js'
import type { TellCost } from './deliver/tell-cost.js'
import { isWhole, withoutEnd } from './deliver/whole-answer.js'
import { wholeEventsOf, type WholeEvents } from './deliver/whole-events.js'
import { WithoutUsageEvent } from './deliver/without-usage-event.js'
import { ownHeaders } from './own-headers.js'
import { endingOf, type CallRecord, type Ending } from './record.js'
import { errorEvent, type StreamForm } from './refuse.js'

export interface DeliverDeps {
  readonly deadlines: Deadlines
  /** A client that takes nothing for so long is closed. */
  readonly slowReaderMs: number
  readonly pricing: Pricing
  readonly drains: Drains
}

/** Where these are noted, the event that ends the stream may have come unread: nobody can say that it did not. */
const hidesTheEnd: ReadonlySet<string> = new Set(['unreadable', 'event_too_large', 'last_event_malformed'])

/** How long the chunk with the terminal event waits for the end of the stream, before its event is written without it. */
const terminalWaitMs = 20

/** A longer answer is not held for its cost (headers.md §3.6). */
const mostHeldBytes = 8 * 1024 * 1024

/**
 * Relays an answer chunk by chunk, reading a side copy, and writes the end record before the last byte goes out (reliability.md R1):
 * before the chunk with the terminal event, the chunk that completes `content-length`, or the end of the stream, the first of them.
 *
 * @returns Resolves when the answer has been handed to the socket whole, or the exchange has ended otherwise; never rejects.
 */
export const deliver = (
  reply: Reply,
  res: ServerResponse,
  record: CallRecord,
  client: Client,
  deps: DeliverDeps,
): Promise<void> => new Promise((resolve) => new Delivery(reply, res, record, client, deps, resolve).begin())

class Delivery implements Sink, Watched, Leavable {
  dueAt = 0
  slot = -1
  #held: Buffer[] | null = null
  #received = 0
  #wrote = false
  /** What follows the end record, once it is written. */
  #finishing = false
  #upstreamOver = false
  #released = false
  #expected = -1
  #form: StreamForm | null = null
  /** It is a stream of events, also where none of ours can stand in it; Bedrock's frames aside. */
  #hasEvents = false
  #holdTimer: NodeJS.Timeout | null = null
  #waitingForDrain = false
  /** What came before is being handed over, often to the end: nothing has to be waited for yet. */
  #attaching = false
  /** The client has left, and others wait for the answer: it is read to its end, and nothing of it is written. */
  #unseen = false
  /** What came before the client left. */
  #seenBytes = 0
  /** The upstream came to a proper end. */
  #upstreamWhole = true
  /** The answer can stand for others like it. */
  #whole = false
  /** Takes out the event that is there for us alone. */
  #hiding: WithoutUsageEvent | null = null
  /** Lets bytes go out event by event, where the caller wants that. */
  #forming: WholeEvents | null = null
  /** Where the caller wants the cost. `head`: the head is not written and the body held, until it is known. */
  #costIn: 'head' | 'trailer' | null = null
  #pricing: Promise<TellCost> | null = null
  /** Flat pairs of the head. */
  #headers: string[] = []
  readonly #family: Family
  readonly #reply: Reply
  readonly #res: ServerResponse
  readonly #record: CallRecord
  readonly #client: Client
  readonly #deps: DeliverDeps
  readonly #done: () => void

  constructor(reply: Reply, res: ServerResponse, record: CallRecord, client: Client, deps: DeliverDeps, done: () => void) {
    this.#reply = reply
    this.#res = res
    this.#record = record
    this.#client = client
    this.#deps = deps
    this.#done = done
    this.#family = record.target?.route.family ?? 'openai-chat'
  }

  begin(): void {
    const { status, headers: raw, body } = this.#reply
    const record = this.#record
    record.answered(status)
    const {
      relayed,
      stored,
      contentType,
      contentEncoding,
      servedModel,
      errorType,
      contentLength: told,
      hasDate,
    } = sortAnswerHeaders(raw)
    record.responseHeaders = stored
    record.responseEncoding = contentEncoding === 'identity' ? null : contentEncoding
    const bodyless = status === 204 || status === 304 || record.call?.method === 'HEAD'
    this.#expected = bodyless ? 0 : told
    if (record.hidesUsage && record.responseEncoding === null && isEventStream(contentType)) {
      this.#hiding = new WithoutUsageEvent()
      // What is promised to the client may be more than it gets.
      if (told >= 0) dropHeader(relayed, 'content-length')
    }
    if (record.call?.wholeEvents === true) this.#forming = wholeEventsOf(contentType, record.responseEncoding)
    const contentLength = this.#hiding === null ? told : -1
    if (record.target?.route.lane === 'llm')
      record.reader =
        record.cache?.replayed?.reader ??
        readAnswer({
          family: this.#family,
          api: record.target.route.api,
          provider: record.target.provider.name,
          streaming: record.asked?.streaming ?? false,
          status,
          contentType,
          contentEncoding,
          servedModel,
          errorType,
          bounds: record.reading,
        })
    if (record.tap !== null && record.reader !== null)
      record.tap.begin({ status, statusText: this.#reply.statusText, headers: relayed, reader: record.reader })
    const form = contentType?.startsWith('text/event-stream')
      ? this.#family === 'cohere' && record.target?.path.startsWith('/v1/') === true
        ? 'lines' // Cohere's version 1 has the same events either way, and none for our error.
        : 'sse'
      : this.#family === 'gemini' && record.asked?.streaming === true && contentType?.startsWith('application/json') === true
        ? 'array'
        : isJsonLines(contentType)
          ? 'lines'
          : contentType === 'application/vnd.amazon.eventstream'
            ? 'frames'
            : null
    // What a model of somebody's own ends with on Bedrock is not known well enough to miss it.
    this.#hasEvents = form !== null && form !== 'frames'
    if (record.responseEncoding === null && contentLength < 0) this.#form = form
    if (hasDate) this.#res.sendDate = false
    this.#headers = relayed
    const tellsCost = record.call !== null && (record.call.costReport || record.call.trailers) && record.cache?.status !== 'hit'
    if (record.call !== null && tellsCost && record.reader !== null && !bodyless)
      this.#askForCost(
        record.call,
        isEventStream(contentType) || (record.asked?.streaming === true && status < 400),
        contentLength,
      )
    if (this.#costIn === 'head') this.#held = []
    else if (!this.#writeHead([])) return
    this.#client.serving = this
    if (this.#client.gone) this.clientLeft()
    if (this.#finishing) return
    this.#attaching = true
    body.attach(this)
    this.#attaching = false
    if (this.#finishing || this.#unseen || this.#costIn === 'head') return
    if (this.#held !== null) this.#awaitEnd()
    // The head goes with the first chunk if that came in the same read, else at once: no chunk waits for the next.
    if (!this.#wrote)
      process.nextTick(() => {
        if (!this.#wrote && !this.#finishing) this.#res.flushHeaders()
      })
  }

  #askForCost(call: Call, isStream: boolean, contentLength: number): void {
    if (call.costReport && !isStream) this.#costIn = 'head'
    else if (call.trailers && contentLength < 0 && this.#res.useChunkedEncodingByDefault) this.#costIn = 'trailer'
    else return
    this.#pricing = this.#deps.pricing()
  }

  /** Nothing of it goes out yet: it leaves with the first bytes. @returns False when it cannot be written; all is over then. */
  #writeHead(cost: readonly string[]): boolean {
    const { status, statusText, body } = this.#reply
    const headers = this.#headers
    headers.push(...ownHeaders(this.#record, false, headers), ...cost)
    if (this.#costIn === 'trailer') headers.push('trailer', 'Weir-Cost, Weir-Cost-Source')
    try {
      this.#res.writeHead(status, statusText, headers)
      this.#record.committed()
      return true
    } catch (cause) {
      const error = new WeirError('upstream_bad_response', 'The upstream sent a header that cannot be relayed.', { cause })
      body.destroy()
      this.#record.tap?.fail(error)
      this.#finishing = true
      this.#end(endingOf(error), () => this.#res.destroy())
      return false
    }
  }

  data(came: Buffer): void {
    const record = this.#record
    if (this.#received === 0) record.came()
    this.#received += came.length
    record.chunks++
    const { reader } = record
    if (reader !== null) {
      reader.push(came)
      if (reader.content && !record.firstContentMarked) {
        record.mark('firstContent')
        this.#reply.body.begun?.()
      }
    }
    const seen = this.#hiding === null ? came : this.#hiding.push(came)
    record.response?.push(seen)
    record.tap?.data(seen)
    if (this.#unseen) {
      if (record.drain !== null && this.#received - this.#seenBytes > mostDrainedBytes) this.#leave()
      return
    }
    const chunk = this.#forming === null ? seen : this.#forming.push(seen)
    if (this.#released) return this.#write(chunk)
    if (this.#held !== null) {
      if (this.#costIn !== 'head' || this.#received <= mostHeldBytes) return void this.#held.push(chunk)
      if (!this.#letGo()) return
    }
    const complete = this.#expected >= 0 && this.#received >= this.#expected
    if (complete || reader?.terminal === true) {
      this.#held = [chunk]
      if (!this.#attaching) this.#awaitEnd()
      return
    }
    this.#write(chunk)
  }

  /** Too long to be held for its cost: it goes out as it comes. @returns False when the head cannot be written. */
  #letGo(): boolean {
    const held = this.#held ?? []
    this.#held = null
    this.#costIn = null
    this.#pricing = null
    if (!this.#writeHead([])) return false
    for (const chunk of held) this.#write(chunk)
    return true
  }

  #awaitEnd(): void {
    this.#holdTimer = setTimeout(() => this.#finish(), terminalWaitMs)
  }

  /** What was kept back, because it might have been the event that is hidden, or is a part of one, goes the way of all else. */
  #flushKept(): void {
    const hidden = this.#hiding?.end()
    if (hidden !== undefined && hidden.length > 0) {
      this.#record.response?.push(hidden)
      this.#record.tap?.data(hidden)
      if (!this.#unseen) this.#passOn(this.#forming === null ? hidden : this.#forming.push(hidden))
    }
    if (this.#forming !== null && !this.#unseen) this.#passOn(this.#forming.end())
  }

  #passOn(rest: Buffer): void {
    if (rest.length === 0) return
    if (this.#released) this.#write(rest)
    else this.#held = [...(this.#held ?? []), rest]
  }

  end(): void {
    this.#upstreamOver = true
    this.#flushKept()
    if (this.#released) return this.#close()
    this.#finish()
  }

  /** The last byte has come, and may go out. */
  #close(): void {
    this.#record.tap?.complete(this.#whole)
    if (!this.#unseen) this.#res.end()
  }

  /** Everything came, as far as can be known: the record, then the last bytes. */
  #finish(): void {
    if (this.#finishing) return
    this.#finishing = true
    if (this.#holdTimer !== null) clearTimeout(this.#holdTimer)
    this.#record.mark('lastByte')
    const reading = this.#upstreamOver ? this.#record.reader?.end() : undefined
    if (reading === undefined && this.#pricing === null) this.#completed(null)
    else void Promise.all([this.#pricing, reading]).then(([tellCost]) => this.#completed(tellCost))
  }

  #completed(tellCost: TellCost | null): void {
    const { reader, asked } = this.#record
    const facts = reader?.facts()
    const { status } = this.#reply
    const { responseEncoding: coding } = this.#record
    let ending: Ending = {
      outcome: this.#record.cache?.status === 'hit' ? 'cached' : 'complete',
      status,
      error: facts?.error ?? null,
    }
    if (facts !== undefined && status < 400 && facts.error !== null)
      ending = { outcome: 'error_event', status, error: facts.error }
    else if (facts !== undefined && this.#lacksEnd(facts)) {
      const isCut = facts.notes.includes('unfinished')
      const isOpen = this.#hasEvents ? this.#form !== null : isCut && coding === null && this.#expected < 0
      if (isOpen) return this.#breakOff(withoutEnd())
      // Nothing of ours can be put into an encoded answer, or past a promised length: the row alone tells.
      if (coding !== null || this.#hasEvents || isCut) ending = { ...endingOf(withoutEnd()), status }
    } else if (reader === null && status >= 400) ending = { outcome: 'complete', status, error: errorOfStatus(status) }
    this.#whole = ending.outcome === 'complete' && this.#upstreamWhole && reader !== null && isWhole(reader, asked)
    if (this.#unseen) ending = clientGone(status)
    if (tellCost !== null && !this.#unseen && !this.#sayCost(tellCost(this.#record, ending))) return
    this.#end(ending, (failure) => {
      if (this.#upstreamOver) this.#record.tap?.complete(this.#whole)
      if (failure !== null && this.#record.durability === 'strict') return void this.#res.destroy()
      this.#release()
      if (this.#upstreamOver && !this.#unseen) this.#res.end()
    })
  }

  /** The upstream says that it is done, and what it sent is not. */
  #lacksEnd({ finishReason, notes }: AnswerFacts): boolean {
    const { reader, asked } = this.#record
    if (this.#reply.status >= 400 || notes.some((note) => hidesTheEnd.has(note))) return false
    return notes.includes('unfinished') || (asked?.streaming === true && reader?.terminal !== true && finishReason === null)
  }

  /** @returns False when the head cannot be written. */
  #sayCost(cost: readonly string[] | null): boolean {
    if (cost === null) this.#record.warnings.push('unpriced')
    if (this.#costIn === 'head') {
      this.#costIn = null
      return this.#writeHead(cost ?? [])
    }
    if (cost !== null)
      this.#res.addTrailers(Array.from({ length: cost.length / 2 }, (_, i) => [cost[i * 2], cost[i * 2 + 1]] as [string, string]))
    return true
  }

  #release(): void {
    this.#released = true
    if (this.#unseen) return
    if (this.#costIn === 'head') {
      this.#costIn = null
      if (!this.#writeHead([])) return
    }
    const held = this.#held ?? []
    this.#held = null
    if (this.#upstreamOver && held.length === 1) {
      this.#wrote = true
      this.#res.end(held[0])
    } else for (const chunk of held) this.#write(chunk)
  }

  fail(cause: Error): void {
    const { reader } = this.#record
    this.#flushKept()
    if (this.#released || reader?.terminal === true) {
      this.#upstreamOver = true
      this.#upstreamWhole = false
      this.#whole = false
      if (this.#released) this.#close()
      else this.#finish()
      return
    }
    if (this.#finishing) return
    this.#finishing = true
    this.#record.mark('lastByte')
    const error = cause instanceof WeirError ? cause : new WeirError('upstream_reset', 'The upstream broke off.', { cause })
    const reading = reader?.end()
    if (reading === undefined) this.#breakOff(error)
    else void reading.then(() => this.#breakOff(error))
  }

  /** The answer is not whole: our error event on an event boundary, else a broken connection; never what looks like an end. */
  #breakOff(error: WeirError): void {
    this.#record.tap?.fail(error)
    if (this.#unseen) return this.#end(clientGone(this.#reply.status), () => undefined)
    const { outcome, ...told } = endingOf(error)
    this.#end({ ...told, outcome: outcome === 'refused' ? 'upstream_abort' : outcome, status: this.#reply.status }, () => {
      const { code, message } = error
      const event =
        this.#form !== null && this.#record.reader?.onBoundary === true
          ? errorEvent(this.#family, this.#form, { code, message, param: null, id: this.#record.id }, this.#events())
          : null
      this.#release()
      // Cut inside an event, or where a length was promised.
      if (event === null) this.#destroyAfterFlush()
      else this.#res.end(event)
    })
  }

  /** How many have gone out. */
  #events(): number {
    return this.#record.reader?.facts().events ?? 0
  }

  /** What came still goes out; then the connection breaks, as the upstream's did. */
  #destroyAfterFlush(): void {
    const { socket } = this.#res
    if (!this.#wrote) this.#res.flushHeaders()
    if (socket === null || socket.writableLength === 0) this.#res.destroy()
    else socket.end(() => this.#res.destroy())
  }

  #write(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#wrote = true
    if (this.#res.write(chunk) || this.#waitingForDrain) return
    this.#waitingForDrain = true
    this.#reply.body.pause()
    this.dueAt = this.#deps.deadlines.now() + this.#deps.slowReaderMs
    this.#deps.deadlines.add(this)
    this.#res.once('drain', () => {
      this.#waitingForDrain = false
      this.dueAt = 0
      this.#deps.deadlines.remove(this)
      this.#reply.body.resume()
    })
  }

  expired(): void {
    this.#deps.deadlines.remove(this)
    this.#record.warnings.push('slow-reader')
    this.#res.destroy()
  }

  clientLeft(): void {
    this.#deps.deadlines.remove(this)
    if (this.#holdTimer !== null) clearTimeout(this.#holdTimer)
    const { tap } = this.#record
    if (tap?.awaited === true) {
      tap.deserted = () => {
        if (!this.#isDrained()) this.#leave()
      }
    } else if (!this.#isDrained()) return this.#leave()
    this.#unseen = true
    if (!this.#upstreamOver) this.#reply.body.resume()
  }

  /** Is it read to its end although nobody is there? */
  #isDrained(): boolean {
    const { call, target, cache } = this.#record
    if (call === null || target === null || cache?.status === 'hit' || !isDrained(call, target)) return false
    const drain = this.#record.drain ?? this.#deps.drains.enter()
    if (drain === null) return false
    this.#record.drain = drain
    this.#seenBytes = this.#received
    drain.over = () => this.#leave()
    return true
  }

  /** Nobody wants the answer any more. */
  #leave(): void {
    // What has come whole is kept all the same, once its record is written.
    if (!this.#finishing || !this.#upstreamOver)
      this.#record.tap?.fail(new WeirError('upstream_reset', 'The call was given up: its client left.'))
    this.#reply.body.destroy()
    if (this.#finishing) return this.#done()
    this.#finishing = true
    const reading = this.#record.reader?.end()
    const close = (): void => this.#end(clientGone(this.#reply.status), () => undefined)
    if (reading === undefined) close()
    else void reading.then(close)
  }

  #end(ending: Ending, then: (failure: Error | null) => void): void {
    this.#record.end(masked(ending), (failure) => {
      this.#client.serving = null
      then(failure)
      this.#done()
    })
  }
}

const isEventStream = (contentType: string | null): boolean => /^\s*text\/event-stream\s*(?:;|$)/i.test(contentType ?? '')

const isJsonLines = (contentType: string | null): boolean =>
  /^\s*application\/(?:x-ndjson|jsonl|x-jsonlines|stream\+json)\s*(?:;|$)/i.test(contentType ?? '')

const dropHeader = (flat: string[], lower: string): void => {
  for (let i = flat.length - 2; i >= 0; i -= 2) if ((flat[i] as string).toLowerCase() === lower) flat.splice(i, 2)
}

/** The client left: with the head still unsent, `status` is 0. */
export const clientGone = (status: number): Ending => ({
  outcome: 'client_abort',
  status,
  error: { kind: 'client', code: 'client_abort', message: 'The client closed the connection before its answer was complete.' },
})

const masked = (ending: Ending): Ending =>
  ending.error === null ? ending : { ...ending, error: { ...ending.error, message: maskSecrets(ending.error.message) } }
