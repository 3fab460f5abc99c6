import type { AnswerFacts, AnswerReader } from './answer.js'
import { anthropicReader } from './anthropic/stream.js'
import { converseReader } from './bedrock/converse-stream.js'
import { invokeReader } from './bedrock/invoke-stream.js'
import { errorOfStatus } from './classify-error.js'
import { cohereReader } from './cohere/stream.js'
import { awsEventStreamSplitter } from './framing/aws-event-stream.js'
import { codingsOf, decoder, isReadable, type Decoder } from './framing/decode.js'
import { jsonArraySplitter } from './framing/json-array.js'
import { ndjsonSplitter } from './framing/ndjson.js'
import { sseSplitter, type Splitter } from './framing/sse.js'
import { wholeJson } from './framing/whole-json.js'
import { plainText } from './framing/plain-text.js'
import { latin1 } from './json-text.js'
import { geminiReader } from './gemini/stream.js'
import { interactionsReader } from './gemini/interactions-stream.js'
import { predictReader } from './gemini/predict.js'
import { ollamaReader } from './ollama/stream.js'
import { speechReader, transcriptReader } from './openai-audio/stream.js'
import { chatReader } from './openai-chat/stream.js'
import { imagesReader } from './openai-images/stream.js'
import { objectReader } from './openai-objects/reader.js'
import { responsesReader } from './openai-responses/stream.js'
import { Seen, type FamilyReader } from './seen.js'

export interface Answering {
  /** Wire family of the bytes: `openai-chat`, `openai-responses`, `anthropic`, `gemini` ... */
  readonly family: string
  readonly api: string
  readonly provider: string
  /** Whether the request asked for a stream. */
  readonly streaming: boolean
  readonly status: number
  readonly contentType: string | null | undefined
  readonly contentEncoding: string | null | undefined
  /** Header `x-amzn-errortype` of an error status: Bedrock's bodies may tell no more than a sentence. */
  readonly errorType?: string | null | undefined
  /** Header `x-ms-served-model`: what an Azure deployment stands for, where the body does not say (wire.md §4). */
  readonly servedModel?: string | null | undefined
  /** How far it is read; without, as far as by default. */
  readonly bounds?: ReadingBounds | undefined
}

/** Beyond these an answer is not read; bytes that pass beside it are another matter. */
export interface ReadingBounds {
  /** Bytes of an event, line or array element, and of a frame of AWS. */
  readonly event: number
  readonly frame: number
  /** Bytes that come out of a compressed answer, and as a multiple of what went in. */
  readonly inflated: number
  readonly ratio: number
}

/** Bodies up to here are parsed whole; those of floats and pictures, which tell nothing but at their edges, are scanned much earlier. */
const parseBytes = 4 * 1024 * 1024
const parseDataBytes = 64 * 1024
const isData = (api: string): boolean => api.startsWith('embed') || api === 'images'

/** One path serves all models of Bedrock: whether it is an embedding shows in how the answer begins. */
const isEmbedding = ({ family, api }: Answering, first: Buffer): boolean =>
  family === 'bedrock' && api === 'invoke' && /(?:^|[^\\])"embedding/.test(latin1(first, 0, Math.min(256, first.length)))

const readerOf = ({ family, api, status, errorType }: Answering, seen: Seen): FamilyReader => {
  if (family === 'openai-responses' || api === 'responses') return responsesReader(family, status, seen)
  if (family === 'anthropic') return anthropicReader(family, status, seen)
  if (family === 'gemini') {
    if (api === 'interactions') return interactionsReader(family, status, seen)
    return api === 'predict' ? predictReader(family, status, seen) : geminiReader(family, status, seen)
  }
  if (family === 'cohere') return cohereReader(family, status, seen)
  if (family === 'ollama') return ollamaReader(family, status, seen)
  if (family === 'bedrock')
    return api === 'invoke' ? invokeReader(status, errorType, seen) : converseReader(status, errorType, seen)
  switch (api) {
    case 'transcription':
      return transcriptReader(family, status, seen)
    case 'speech':
      return speechReader(family, status, seen)
    case 'images':
      return imagesReader(family, status, seen)
    case 'embeddings':
    case 'moderations':
    case 'rerank':
    case 'ocr':
    case 'batch':
      return objectReader(family, api, status, seen)
    default:
      return chatReader(family, api, status, seen)
  }
}

const nothing: Splitter = { push: () => undefined, end: () => undefined, atBoundary: () => false }

const isJsonType = (type: string): boolean => type === 'application/json' || type === 'text/json' || type.endsWith('+json')

/** Lines of JSON go by many names. */
const lineTypes = new Set(['application/x-ndjson', 'application/jsonl', 'application/x-jsonlines', 'application/stream+json'])

/** A transcript as text, SRT or VTT; it may begin with a bracket, as in "[Music]". */
const isTranscript = (type: string, text: string, status: number): boolean =>
  status < 400 &&
  ((type.startsWith('text/') && type !== 'text/html') || type === 'application/x-subrip') &&
  !/^(?:\{\s*"|data:|event:)/.test(text)

/** The framing of the bytes, by label; where the label does not say, by the first byte that is not a space. */
const splitterFor = (answering: Answering, first: Buffer, seen: Seen, reader: FamilyReader): Splitter => {
  const { family, streaming, status, contentType, bounds } = answering
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  const note = (word: string): void => seen.note(word)
  const onEvent = (data: string, name: string | null): void => reader.event(data, name)
  const onBody = (value: unknown): void => {
    seen.events = 1
    reader.body(value)
  }
  const json = (): Splitter =>
    wholeJson(isData(answering.api) || isEmbedding(answering, first) ? parseDataBytes : parseBytes, onBody, note)
  const text = latin1(first, 0, Math.min(64, first.length))
    .replace(/^\u00EF\u00BB\u00BF/, '')
    .trimStart()
  // Labelled as a stream in spite of what it is, as errors and answers to who asked for none are: no event begins so.
  if (type === 'text/event-stream') return text.startsWith('{') ? json() : sseSplitter(onEvent, note, bounds?.event)
  // And the other way round: no JSON begins like a field of an event.
  if (isJsonType(type) && /^[deir:]/.test(text)) return sseSplitter(onEvent, note, bounds?.event)
  // Without a label: no frame is so long that its first byte is another, and no JSON begins so.
  if (type === 'application/vnd.amazon.eventstream' || (type === '' && family === 'bedrock' && first[0] === 0))
    return awsEventStreamSplitter(onEvent, note, bounds?.frame)
  // Or by none, or as what a single body is.
  if (lineTypes.has(type) || ((family === 'ollama' || family === 'cohere') && streaming && status < 400 && text.startsWith('{')))
    return ndjsonSplitter(onEvent, note, bounds?.event)
  if (isJsonType(type) && family !== 'gemini') return json()
  if (answering.api === 'transcription' && isTranscript(type, text, status)) return plainText((units) => seen.delivered(units))
  if (text.startsWith('[') && family === 'gemini') return jsonArraySplitter(onEvent, note, bounds?.event)
  if (isJsonType(type)) return json()
  if (text.startsWith('{') || text.startsWith('[')) return json()
  if (/^(?:data|event|id|retry)?:/.test(text) && (streaming || type === '')) return sseSplitter(onEvent, note, bounds?.event)
  if (text.startsWith('<') && (type === 'text/html' || type === '')) {
    seen.note('html')
    // routing.md §3: HTML where JSON or SSE is due is a server's failure, whatever its status says.
    if (status < 400) seen.error = { kind: 'server', code: 'html', message: '' }
  }
  return nothing
}

const beginnings = ['data:', 'event:', 'id:', 'retry:', '\u00EF\u00BB\u00BF']
/** Spaces, by which some servers keep a connection open, a byte order mark and half a field's name do not show what they begin. */
const isUndecided = (first: Buffer, type: string | null | undefined): boolean => {
  if (type?.startsWith('text/event-stream') === true || first.length > 4096) return false
  const text = latin1(first)
    .replace(/^\u00EF\u00BB\u00BF/, '')
    .trimStart()
  return text === '' || beginnings.some((beginning) => text.length < beginning.length && beginning.startsWith(text))
}

/** What the framing is told by. */
const withoutSpaces = (first: Buffer): Buffer => {
  let from = 0
  while (from < first.length - 1 && (first[from] === 32 || first[from] === 10 || first[from] === 13 || first[from] === 9)) from++
  return from === 0 ? first : first.subarray(from)
}

/**
 * A class, not an object of closures: a getter in an object literal gives every object a hidden class of its own, which lives in the old
 * generation and keeps all that the closures see. Measured: every call was kept until the next major collection.
 */
class SideReader implements AnswerReader {
  readonly #answering: Answering
  readonly #seen = new Seen()
  readonly #reader: FamilyReader
  readonly #encoded: boolean
  readonly #decode: Decoder | null
  #splitter: Splitter | null = null
  /** First bytes that do not show yet what they begin. */
  #undecided: Buffer | null = null
  #endedOnBoundary: boolean | null = null
  #over = false
  /** Of the whole answer. */
  #facts: AnswerFacts | null = null

  constructor(answering: Answering) {
    this.#answering = answering
    this.#reader = readerOf(answering, this.#seen)
    if (answering.servedModel) this.#seen.model(answering.servedModel)
    if (answering.status >= 400) this.#seen.error = errorOfStatus(answering.status)
    const { bounds } = answering
    const codings = codingsOf(answering.contentEncoding)
    this.#encoded = codings.length > 0
    if (this.#encoded && !isReadable(codings)) {
      this.#seen.note('unreadable')
      this.#splitter = nothing
    }
    this.#decode =
      this.#encoded && this.#splitter === null
        ? decoder(
            codings,
            (chunk) => this.#read(chunk),
            (word) => this.#seen.note(word),
            bounds === undefined ? undefined : { bytes: bounds.inflated, ratio: bounds.ratio },
          )
        : null
  }

  get terminal(): boolean {
    return this.#seen.terminal
  }

  get content(): boolean {
    return this.#seen.content
  }

  get onBoundary(): boolean {
    // Whoever follows the same answer may ask once it is over; an end closes what was open.
    return this.#endedOnBoundary ?? (!this.#encoded && this.#splitter !== null && this.#splitter.atBoundary())
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#decode === null) this.#read(bytes)
    else this.#decode.push(bytes)
  }

  end(): Promise<void> | undefined {
    if (this.#decode !== null) return this.#decode.end().then(() => this.#finish())
    this.#finish()
    return undefined
  }

  facts(): AnswerFacts {
    return this.#facts ?? (this.#over ? (this.#facts = this.#seen.facts()) : this.#seen.facts())
  }

  #read(chunk: Buffer): void {
    if (chunk.length === 0) return
    if (this.#splitter !== null) return this.#push(this.#splitter, chunk)
    const first = this.#undecided === null ? chunk : Buffer.concat([this.#undecided, chunk])
    if (isUndecided(first, this.#answering.contentType)) this.#undecided = first
    else this.#begin(first)
  }

  #begin(first: Buffer): void {
    this.#undecided = null
    this.#splitter = splitterFor(this.#answering, withoutSpaces(first), this.#seen, this.#reader)
    this.#push(this.#splitter, first)
  }

  #push(splitter: Splitter, chunk: Buffer): void {
    try {
      splitter.push(chunk)
    } catch {
      // Accounting must never touch the relay: a fault of ours is noted on the row, and reading stops.
      this.#seen.note('reader_failed')
      this.#splitter = nothing
    }
  }

  #finish(): void {
    this.#endedOnBoundary = this.onBoundary
    if (this.#undecided !== null) this.#begin(this.#undecided)
    // What ends a stream may have stood in it. Half an event is another matter: that is a stream which was cut.
    if (this.#splitter?.atBoundary() === true && this.#seen.malformedAt > 0 && this.#seen.malformedAt === this.#seen.events)
      this.#seen.note('last_event_malformed')
    try {
      this.#splitter?.end()
    } catch {
      this.#seen.note('reader_failed')
    }
    this.#over = true
  }
}

/**
 * Picks the reader for one answer.
 *
 * For an error status `facts().error` is set from the start and grows more exact when the body has been read.
 */
export const readAnswer = (answering: Answering): AnswerReader => new SideReader(answering)
