import { uuidv7 } from '../../core/ids.js'
import type { AnswerError, ErrorKind } from '../../core/exchange.js'
import type { AnswerFacts, AnswerReader } from '../../core/providers/answer.js'
import { WebSocketReader } from '../../core/providers/framing/websocket.js'
import { latin1 } from '../../core/providers/json-text.js'
import { modelInQuery, readSession } from '../../core/providers/realtime/read-session.js'
import type { SessionReader, Turn } from '../../core/providers/realtime/session.js'
import type { Seen } from '../../core/providers/seen.js'
import { maskSecrets } from '../../core/redact.js'
import type { BodyCopy } from '../body-copy.js'
import { WeirError } from '../../core/errors.js'
import { clientGone } from '../deliver.js'
import { endingOf, type CallRecord, type Ending } from '../record.js'

/** Who ended a connection. */
export type Side = 'client' | 'upstream'

/** Facts that come from elsewhere than the bytes of an answer. */
class Told implements AnswerReader {
  readonly terminal = false
  readonly content = false
  readonly onBoundary = false
  readonly #facts: () => AnswerFacts
  constructor(facts: () => AnswerFacts) {
    this.#facts = facts
  }
  push(): void {
    // Its facts are told.
  }
  end(): undefined {
    return undefined
  }
  facts(): AnswerFacts {
    return this.#facts()
  }
}

const newline = Buffer.from('\n')

/** An event as one line: a line break in JSON stands between its tokens. */
const lineOf = (payload: Buffer): Buffer => {
  if (!payload.includes(10) && !payload.includes(13)) return payload
  const line = Buffer.from(payload)
  for (let at = 0; at < line.length; at++) if (line[at] === 10 || line[at] === 13) line[at] = 32
  return line
}

const routes = {
  realtime: { api: 'realtime', operation: 'chat' },
  transcription: { api: 'transcription', operation: 'transcription' },
} as const

/** Close codes with which a server says that something went wrong (RFC 6455 §7.4.1; 4000 and above are the application's). */
const kindOfClose = (code: number): ErrorKind => {
  switch (code) {
    case 1008:
      return 'policy'
    case 1009:
      return 'too_large'
    case 1012:
    case 1013:
      return 'overloaded'
    case 1002:
    case 1003:
    case 1007:
      return 'bad_request'
    default:
      return 'server'
  }
}
const goesWell = (code: number | null): boolean => code === null || code === 1000 || code === 1001

interface Live {
  readonly record: CallRecord
  readonly seen: Seen
}

/**
 * Reads a session beside its relay: each response leaves a row of its own the moment its last event has passed, the connection one when it
 * closes (docs/decisions/0050-realtime-rows.md). Takes views of the relayed chunks and never writes into them; never throws: a fault stops
 * the reading and is noted.
 */
export class RealtimeTap {
  readonly #record: CallRecord
  readonly #now: () => number
  readonly #session: SessionReader
  readonly #live = new Map<Turn, Live>()
  readonly #notes = new Set<string>()
  readonly #client: WebSocketReader
  readonly #server: WebSocketReader
  /** The client's events since the last response began. */
  #asked: BodyCopy
  /** The first close frame. */
  #closed: { readonly side: Side; readonly code: number | null; readonly reason: string } | null = null

  /**
   * @param record The connection's; its target is a session.
   * @param now Milliseconds since the epoch.
   */
  constructor(record: CallRecord, now: () => number) {
    this.#record = record
    this.#now = now
    const { target } = record
    this.#session = readSession(target?.route.family ?? 'openai-chat', target?.path ?? '')
    this.#asked = record.piecewise('req')
    this.#client = this.#reader('client', (payload) => this.#fromClient(payload))
    this.#server = this.#reader('upstream', (payload) => this.#fromServer(payload))
    record.reader = new Told(() => this.#facts())
  }

  client(chunk: Buffer): void {
    this.#read(this.#client, chunk)
  }

  server(chunk: Buffer): void {
    this.#read(this.#server, chunk)
  }

  /**
   * No more bytes will come. Ends what is still open.
   *
   * @param side Who ended the connection below the frames; `null` = we did.
   * @returns How the connection ended.
   */
  end(side: Side | null): Ending {
    const ending = this.#ending(side)
    for (const [turn, live] of this.#live)
      this.#ended(turn, live, turn.seen.terminal ? null : ending.outcome === 'complete' ? this.#cut(side) : ending)
    return ending
  }

  #reader(side: Side, message: (payload: Buffer) => void): WebSocketReader {
    return new WebSocketReader({
      message,
      close: (code, reason) => {
        this.#closed ??= { side, code, reason }
      },
      note: (word) => void this.#notes.add(word),
    })
  }

  #read(reader: WebSocketReader, chunk: Buffer): void {
    try {
      reader.push(chunk)
    } catch {
      this.#notes.add('reader_failed')
      reader.stop()
    }
  }

  #fromClient(payload: Buffer): void {
    this.#session.client(latin1(payload))
    this.#asked.push(lineOf(payload))
    this.#asked.push(newline)
  }

  #fromServer(payload: Buffer): void {
    for (const { turn, ended } of this.#session.server(latin1(payload))) {
      const live = this.#live.get(turn) ?? this.#began(turn)
      const { record, seen } = live
      record.chunks++
      record.response?.push(lineOf(payload))
      record.response?.push(newline)
      if (seen.content && !record.firstContentMarked) record.mark('firstContent')
      if (ended) this.#ended(turn, live, null)
    }
  }

  #began(turn: Turn): Live {
    const record = this.#record.partOf({ id: uuidv7(this.#now()), route: routes[turn.api], model: turn.requestModel })
    // What was said to the other model is sound, and stays with the response that answers it.
    if (turn.api === 'realtime') {
      record.request = this.#asked
      this.#asked = this.#record.piecewise('req')
    }
    record.response = this.#record.piecewise('res')
    record.mark('firstByte')
    const live = { record, seen: turn.seen }
    record.reader = new Told(() => turn.facts())
    this.#live.set(turn, live)
    return live
  }

  /** @param cut Why it is not whole; `null` = it is. */
  #ended(turn: Turn, { record, seen }: Live, cut: Ending | null): void {
    this.#live.delete(turn)
    const { error } = seen
    record.mark('lastByte')
    record.end(
      cut ?? { outcome: error === null ? 'complete' : 'error_event', status: this.#record.status, error: masked(error) },
      () => undefined,
    )
  }

  #ending(side: Side | null): Ending {
    const { status } = this.#record
    const closed = this.#closed
    if (closed?.side === 'upstream' && !goesWell(closed.code))
      return {
        outcome: 'error_event',
        status,
        error: masked({ kind: kindOfClose(closed.code ?? 0), code: `close_${closed.code}`, message: closed.reason }),
      }
    const { error } = this.#session.facts()
    if (closed !== null && error !== null) return { outcome: 'error_event', status, error: masked(error) }
    return closed !== null || side === null || this.#notes.has('unreadable')
      ? { outcome: 'complete', status, error: null }
      : this.#cut(side)
  }

  #cut(side: Side | null): Ending {
    const { status } = this.#record
    if ((this.#closed?.side ?? side) === 'client') return clientGone(status)
    return { ...endingOf(new WeirError('upstream_reset', 'The connection ended before the response was complete.')), status }
  }

  #facts(): AnswerFacts {
    const { id, model, events, notes } = this.#session.facts()
    const unreadable = this.#notes.has('unreadable')
    return {
      // Left for pricing, now and later: responses may have passed that nobody saw.
      usageRaw: unreadable ? [{ source: 'frames', json: '"unreadable"' }] : [],
      responseModel: model,
      responseId: id,
      finishReason: null,
      error: null,
      events,
      contentChars: 0,
      toolCalls: 0,
      notes: [...notes, ...this.#notes],
    }
  }
}

const masked = (error: AnswerError | null): AnswerError | null =>
  error === null ? null : { ...error, message: maskSecrets(error.message).slice(0, 4096) }

/** The client's offer without what would make frames unreadable; `null` = nothing is left of it. */
export const readableOffer = (offer: string): string | null => {
  const left = offer.split(',').filter((one) => !/^\s*(?:permessage-|x-webkit-deflate)/i.test(one))
  return left.length === 0 ? null : left.join(',').trim()
}

/** What the URL of a session asks for. */
export const askedBySession = (record: CallRecord): CallRecord['asked'] => ({
  model: modelInQuery(record.target?.path ?? ''),
  streaming: false,
  priceFacts: {},
  user: null,
  malformed: false,
})
