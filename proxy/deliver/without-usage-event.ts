import { sseSplitter } from '../../core/providers/framing/sse.js'
import { isObject, latin1, parsed } from '../../core/providers/json-text.js'
import { UsageEventScan } from './usage-event-scan.js'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const byteOrderMark = [0xef, 0xbb, 0xbf] as const
const dataField = Buffer.from('data')

/** The event is some hundred bytes long. One that is still undecided after so many is none of its kind, and stays. */
const mostHeldBytes = 64 * 1024

const nothing = Buffer.alloc(0)

/**
 * Where in a line the next byte stands: at its start; inside `data`, of which the first `#matched` letters have come; behind `data:`; in
 * a comment or another field.
 */
type At = 'start' | 'name' | 'data' | 'rest'

const join = (pieces: readonly Buffer[]): Buffer => (pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces))

/** Whether these bytes, one event without what follows it, tell the usage of an OpenAI-form stream and nothing else. */
const tellsUsageAlone = (event: Buffer): boolean => {
  const datas: string[] = []
  const splitter = sseSplitter(
    (data) => void datas.push(data),
    () => undefined,
  )
  splitter.push(event)
  splitter.end()
  const value = datas.length === 1 ? parsed(datas[0] as string) : undefined
  return (
    isObject(value) &&
    Array.isArray(value.choices) &&
    value.choices.length === 0 &&
    value.usage !== undefined &&
    value.usage !== null &&
    (value.error ?? null) === null
  )
}

const plainStart = 'data: {'
const plainChoices = '"choices":[{'

/**
 * Index behind the events from `from` on that are as providers write them, one line and LF LF, and plainly stay: `choices` is their first
 * member that is an object or list, and has something in it. A tenth of the time of going through them byte by byte.
 */
const pastPlainEvents = (text: string, from: number): number => {
  let at = from
  while (text.startsWith(plainStart, at)) {
    const inside = at + plainStart.length
    const choices = text.indexOf(plainChoices, inside)
    if (choices < 0) break
    const list = choices + plainChoices.length - 2
    if (text.indexOf('[', inside) !== list || text.indexOf('{', inside) !== list + 1) break
    if (text.slice(inside, choices).includes('\\')) break
    const end = text.indexOf('\n', list)
    if (end < 0 || text.charCodeAt(end + 1) !== LF || text.indexOf('\n', inside) !== end) break
    at = end + 2
  }
  return at
}

/** Comments are no part of an event. */
const commentsIn = (event: Buffer): Buffer =>
  Buffer.from((latin1(event).match(/^:[^\r\n]*(?:\r\n|\r|\n)/gm) ?? []).join(''), 'latin1')

/**
 * Takes the event out of a server-sent event stream that is there only because we asked for `include_usage`: the first one with
 * `choices: []` and a `usage` that is not null, its blank line included. All other bytes go through, in order, and none of them waits
 * for a later chunk unless it may be part of that event.
 */
export class WithoutUsageEvent {
  #removed = false
  /** The last byte ended a line and was CR: an LF that follows belongs to it. */
  #afterCr = false
  #bom = 0
  #at: At = 'start'
  #matched = 0
  /** An event has begun: a line of it that is no comment. */
  #open = false
  /** The open event stays. */
  #stays = false
  /** What has come of the open event in earlier chunks, as long as it may be the one. */
  #held: Buffer[] = []
  #heldBytes = 0
  #scan = new UsageEventScan()

  /** @returns What the client gets now: all of the chunk, a part of it with or without what was held, or nothing (an empty buffer). */
  push(chunk: Buffer): Buffer {
    if (this.#removed) return this.#behind(chunk)
    const out: Buffer[] = []
    let eventAt = 0
    /** The chunk as text, once an event begins in it; empty where CR may end lines. */
    let text: string | null = null
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number
      if (this.#afterCr) {
        this.#afterCr = false
        if (byte === LF) continue
      }
      if (byte === LF || byte === CR) {
        this.#afterCr = byte === CR
        if (this.#at !== 'start') {
          this.#at = 'start'
          continue
        }
        // A blank line: the event is over.
        if (this.#open && !this.#stays) {
          const event = join([...this.#held, chunk.subarray(eventAt, i + 1)])
          if (tellsUsageAlone(event)) {
            this.#removed = true
            this.#held = []
            out.push(chunk.subarray(0, eventAt), commentsIn(event), this.#behind(chunk.subarray(i + 1)))
            return Buffer.concat(out)
          }
          this.#stay(out)
        }
        this.#open = false
        this.#stays = false
        continue
      }
      if (this.#stays) {
        this.#at = 'rest'
        continue
      }
      switch (this.#at) {
        case 'start':
          if (this.#bom < 3 && byte === byteOrderMark[this.#bom]) {
            this.#bom++
            break
          }
          this.#bom = 3
          if (byte === COLON) {
            this.#at = 'rest'
            break
          }
          if (!this.#open) {
            if (text === null) {
              text = latin1(chunk)
              if (text.includes('\r')) text = ''
            }
            const past = pastPlainEvents(text, i)
            if (past > i) {
              i = past - 1
              break
            }
            this.#open = true
            this.#scan = new UsageEventScan()
            eventAt = i
          }
          this.#matched = byte === dataField[0] ? 1 : 0
          this.#at = this.#matched === 1 ? 'name' : 'rest'
          break
        case 'name':
          if (this.#matched === dataField.length) this.#at = byte === COLON ? 'data' : 'rest'
          else if (byte === dataField[this.#matched]) this.#matched++
          else this.#at = 'rest'
          break
        case 'data':
          if (!this.#scan.feed(byte)) this.#stay(out)
          break
        case 'rest':
          break
      }
    }
    const undecided = this.#open && !this.#stays
    const until = undecided ? eventAt : chunk.length
    if (undecided) {
      this.#held.push(chunk.subarray(until))
      this.#heldBytes += chunk.length - until
    }
    if (until > 0) out.push(until === chunk.length ? chunk : chunk.subarray(0, until))
    if (this.#heldBytes > mostHeldBytes) this.#stay(out)
    return out.length === 0 ? nothing : join(out)
  }

  /**
   * No more will come. @returns What was held, unless it is that event and lacks only its blank line.
   */
  end(): Buffer {
    const held = this.#held.length === 0 ? nothing : join(this.#held)
    this.#held = []
    return held.length > 0 && tellsUsageAlone(held) ? commentsIn(held) : held
  }

  /** The open event is not the one: it goes out as far as it has come. */
  #stay(out: Buffer[]): void {
    this.#stays = true
    out.push(...this.#held)
    this.#held = []
    this.#heldBytes = 0
  }

  /** The event is gone. The LF of the CRLF that ended it may have come later. */
  #behind(chunk: Buffer): Buffer {
    if (!this.#afterCr || chunk.length === 0) return chunk
    this.#afterCr = false
    return chunk[0] === LF ? chunk.subarray(1) : chunk
  }
}
