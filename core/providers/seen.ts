import type { AnswerError, Raw } from '../exchange.js'
import type { AnswerFacts } from './answer.js'
import { isObject, type JsonObject } from './json-text.js'

/** How much usage text a call may leave behind (wire.md §5). */
const maxRawBytes = 64 * 1024
const maxFields = 128

/** What the readers of one answer have found so far. The one mutable thing of a reader; families write it, nobody else. */
export class Seen {
  responseModel: string | null = null
  responseId: string | null = null
  finishReason: string | null = null
  error: AnswerError | null = null
  events = 0
  contentChars = 0
  toolCalls = 0
  terminal = false
  content = false
  /** The newest event that could not be read, counted from 1; 0 = none, or a body. */
  malformedAt = 0
  private readonly raws = new Map<string, unknown>()
  private readonly noted = new Set<string>()

  /** Keeps the newest value of a source. `undefined` and `null` are nothing. */
  raw(source: string, value: unknown): void {
    if (value !== undefined && value !== null) this.raws.set(source, value)
  }

  /** Keeps the newest value of each field of a source: what tells it again may leave fields out (wire.md §4). `null` is nothing. */
  merged(source: string, value: JsonObject): void {
    const before = this.raws.get(source)
    // A stream that invents field after field must not make every event dearer than the one before.
    if (!isObject(before) || Object.keys(before).length > maxFields) return void this.raws.set(source, value)
    const told = Object.entries(value).filter(([, field]) => field !== null)
    this.raws.set(source, { ...before, ...Object.fromEntries(told) })
  }

  note(note: string): void {
    if (note === 'malformed') this.malformedAt = this.events
    this.noted.add(note)
  }

  model(model: string | null): void {
    if (model !== null) this.responseModel = model
  }

  id(id: string | null): void {
    if (id !== null) this.responseId = id
  }

  /** Where several choices end, the last one's reason counts. */
  finished(reason: string | null): void {
    if (reason !== null) this.finishReason = reason
  }

  /** Counts delivered content; any of it means the answer has begun. */
  delivered(chars: number): void {
    if (chars > 0) {
      this.contentChars += chars
      this.content = true
    }
  }

  called(): void {
    this.toolCalls++
    this.content = true
  }

  /** Written out only here: a stream may tell its usage in every event, and all but the last are nothing. */
  private usageRaw(): readonly Raw[] {
    const written: Raw[] = []
    let left = maxRawBytes
    for (const [source, value] of this.raws) {
      const json = JSON.stringify(value)
      left -= json.length
      if (left < 0) {
        this.note('usage_too_large')
        break
      }
      written.push({ source, json })
    }
    return written
  }

  facts(): AnswerFacts {
    return {
      // Figures of a body that was cut may lack those that correct them.
      usageRaw: this.noted.has('unfinished') ? [] : this.usageRaw(),
      responseModel: this.responseModel,
      responseId: this.responseId,
      finishReason: this.finishReason,
      error: this.error,
      events: this.events,
      contentChars: this.contentChars,
      toolCalls: this.toolCalls,
      notes: [...this.noted],
    }
  }
}

/** The knowledge of one wire family about its answers: how to read an event of a stream, and a whole body. */
export interface FamilyReader {
  /** `data` is latin1 text, see `json-text.ts`. */
  event(data: string, name: string | null): void
  body(value: unknown): void
}
