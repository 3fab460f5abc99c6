import type { AnswerError, Raw } from '../exchange.js'

/** What was learned from an answer's bytes. Grows while they pass; all text is as the provider wrote it. */
export interface AnswerFacts {
  readonly usageRaw: readonly Raw[]
  readonly responseModel: string | null
  readonly responseId: string | null
  readonly finishReason: string | null
  /** An error object in the body or in an event of the stream. */
  readonly error: AnswerError | null
  /** Events of a stream (SSE events with data, array elements, lines); 1 for a whole JSON body. */
  readonly events: number
  readonly contentChars: number
  readonly toolCalls: number
  /** `malformed`, `unreadable`, `event_too_large` ... each once. */
  readonly notes: readonly string[]
}

/**
 * Reads a side copy of one answer as it is relayed. Never throws, never holds more than one event of 8 MiB, never alters a byte.
 * Bytes are those on the wire: content codings are undone inside.
 */
export interface AnswerReader {
  /** Takes the next chunk. The reader does not keep it after the call unless an event is cut by the chunk's end. */
  push(chunk: Uint8Array): void
  /** No more bytes will come. Reads what is left. Decoders that finish later resolve the promise; otherwise it returns undefined. */
  end(): Promise<void> | undefined
  /** True once the event has passed after which SDKs stop reading ([DONE], message_stop, response.completed ...). */
  readonly terminal: boolean
  /** True once text, a tool call, reasoning or a refusal has passed. */
  readonly content: boolean
  /** True when the bytes so far end on an event boundary: our own error event could be added here. */
  readonly onBoundary: boolean
  facts(): AnswerFacts
}
