import type { AnswerError } from '../../exchange.js'
import type { AnswerFacts } from '../answer.js'
import { Seen } from '../seen.js'

/** What a session pays for apart: a response of its model, or the transcript another model made of what the user said. */
type TurnApi = 'realtime' | 'transcription'

/** One response of a session, as far as it has come. */
export class Turn {
  readonly seen = new Seen()
  readonly api: TurnApi
  /** The model that was asked for; what the session says of itself is in `seen`. */
  readonly requestModel: string | null
  /** Another response came before it: what was said until then is its input too. */
  readonly #isLater: boolean
  #sound = false

  constructor(api: TurnApi, requestModel: string | null, isLater = false) {
    this.api = api
    this.requestModel = requestModel
    this.#isLater = isLater
  }

  /** Sound was delivered, or a picture: content that has no characters. */
  heard(): void {
    this.#sound = true
    this.seen.content = true
  }

  /** Where no usage was told, with a note of what a count of the text that passed would leave out. */
  facts(): AnswerFacts {
    const facts = this.seen.facts()
    if (facts.usageRaw.length > 0) return facts
    return {
      ...facts,
      notes: [...facts.notes, ...(this.#sound ? ['sound_not_counted'] : []), ...(this.#isLater ? ['context_not_counted'] : [])],
    }
  }
}

/** What a server's event was: a part of this response, perhaps its last. */
export interface Step {
  readonly turn: Turn
  readonly ended: boolean
}

/** What is learned of the session itself. */
export interface SessionFacts {
  readonly id: string | null
  readonly model: string | null
  /** An error event that no response has followed. */
  readonly error: AnswerError | null
  readonly events: number
  /** `malformed`, each once. */
  readonly notes: readonly string[]
}

/**
 * Reads the events of one realtime session. Pure: frames' JSON in, facts out. Never throws; events of no known type are nothing.
 *
 * Text is latin1, one character a byte (json-text.ts); sound, most of what passes, is recognised by a byte search and not parsed.
 */
export interface SessionReader {
  /** Takes an event of the client's. */
  client(data: string): void
  /** Takes an event of the server's. @returns The responses it belongs to, in order; mostly one or none. */
  server(data: string): readonly Step[]
  /** Responses that have begun and not ended. */
  open(): Iterable<Turn>
  facts(): SessionFacts
}

/** The event belongs to no response. */
export const noSteps: readonly Step[] = []
