/** How an exchange ended (wire.md §3). HTTP error answers of an upstream are `complete`: their `status` says the rest. */
export type Outcome =
  'complete' | 'client_abort' | 'upstream_abort' | 'error_event' | 'stall' | 'refused' | 'cached' | 'proxy_lost'

/** Why a send failed, in the words of routing.md §3; empty when it did not. */
export type ErrorKind =
  | ''
  | 'rate_limit'
  | 'overloaded'
  | 'server'
  | 'network'
  | 'timeout_connect'
  | 'timeout_ttft'
  | 'timeout_idle'
  | 'timeout_total'
  | 'auth'
  | 'quota'
  | 'not_found'
  | 'context_length'
  | 'conflict'
  | 'content_policy'
  | 'too_large'
  | 'bad_request'
  | 'policy'
  | 'internal'
  | 'client'

/** One usage object as it stood on the wire: `source` names the event or place, `json` is its text, at most 64 KiB in all. */
export interface Raw {
  readonly source: string
  readonly json: string
}

/** Who called, and how the caller labelled the call. Absent is `null`. */
export interface Identity {
  readonly userId: string | null
  readonly sessionId: string | null
  readonly sessionName: string | null
  readonly sessionPath: string | null
  readonly properties: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  readonly clientRequestId: string | null
  readonly promptId: string | null
  readonly promptVersion: string | null
  readonly modelOverride: string | null
  /** Fingerprint of the key that was presented; empty when none was. */
  readonly keyId: string
  readonly trace: TraceContext | null
  readonly omitRequest: boolean
  readonly omitResponse: boolean
}

/** Of a call that told nothing. */
export const nobody: Identity = {
  userId: null,
  sessionId: null,
  sessionName: null,
  sessionPath: null,
  properties: {},
  tags: [],
  clientRequestId: null,
  promptId: null,
  promptVersion: null,
  modelOverride: null,
  keyId: '',
  trace: null,
  omitRequest: false,
  omitResponse: false,
}

/** A valid W3C `traceparent`: lower-case hex. */
export interface TraceContext {
  readonly traceId: string
  readonly parentSpanId: string
  readonly sampled: boolean
}

/** An error an upstream told, or one of ours: `code` is the machine's word for it, `message` at most 4 KiB, masked. */
export interface AnswerError {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
}

/** One send to one target. Times are microseconds after `startedAt`. */
export interface Attempt {
  readonly target: string
  readonly provider: string
  readonly model: string
  readonly status: number
  readonly errorKind: ErrorKind
  readonly startUs: number
  readonly endUs: number
  readonly usageRaw: readonly Raw[]
  /** It was sent a second time, because the first one met a connection that was being closed (routing.md §6). */
  readonly replayed?: true
}

/** A target that was passed over without an attempt. */
export interface PassedOver {
  readonly target: string
  /** `no_credential`, `circuit_open`, ... One whose circuit is open may be tried after all, when nobody else is left. */
  readonly reason: string
  /** How many attempts were over by then. */
  readonly after: number
}

/** What our cache did for a call. */
export interface CacheFacts {
  /** `bypass`: reading was asked for, and a directive or the kind of the call stood against it. */
  readonly status: 'hit' | 'miss' | 'bypass'
  /** Of a hit: id of the call whose answer it is. `usageRaw` is that call's, too: it tells what was saved, and is billed to nobody again. */
  readonly originalId: string | null
  readonly bucket: number | null
  /** What the original took; 0 where it was under way, and nothing was saved. */
  readonly savedMs: number
}

/** A stored copy of a body. Longer bodies keep their first 768 KiB and last 256 KiB (`truncated`). */
export interface StoredBody {
  readonly bytes: Uint8Array
  /** `content-encoding` of the stored bytes, `null` = identity. */
  readonly encoding: string | null
  readonly truncated: boolean
}

export type Mark = 'admitted' | 'sent' | 'headers' | 'firstByte' | 'firstContent' | 'lastByte' | 'closed'
/** Microseconds after `startedAt`; `null` = never reached. */
export type Marks = Record<Mark, number | null>

export interface Counts {
  readonly reqBytes: number
  readonly resBytes: number
  readonly chunks: number
  readonly events: number
  /** Characters of delivered text, tool arguments and thinking: the base of an estimate where nothing else is stored. */
  readonly contentChars: number
  readonly toolCalls: number
}

/**
 * One call, as it crosses from the proxy to ingest (wire.md §5): `start` before the first upstream byte, `end` before the
 * last byte to the client. A `start` whose writer died becomes an `end` with outcome `proxy_lost`.
 */
export interface Exchange {
  readonly v: 1
  /** UUIDv7; the row's id, and the only thing that deduplicates. */
  readonly id: string
  readonly kind: 'start' | 'end'
  readonly tenant: string
  readonly writer: string
  readonly seq: number
  /** ISO 8601, milliseconds, UTC. */
  readonly startedAt: string
  readonly marksUs: Marks
  /** OTel GenAI operation: `chat`, `embeddings`, ...; empty for calls that are relayed unread. */
  readonly operation: string
  readonly provider: string
  /** Which API of the provider: `chat`, `responses`, `messages`, `generate_content`, ...; empty = relayed unread. */
  readonly api: string
  /** Method and path with ids and keys masked, without query: `POST /v1/chat/completions`. */
  readonly endpoint: string
  readonly target: string | null
  /** `host:port` of the upstream. */
  readonly serverAddress: string | null
  readonly streaming: boolean
  readonly requestModel: string | null
  readonly responseModel: string | null
  readonly responseId: string | null
  readonly finishReason: string | null
  readonly status: number
  readonly outcome: Outcome
  readonly error: AnswerError | null
  readonly attempts: readonly Attempt[]
  /** In the order of time; absent = nobody was. */
  readonly passedOver?: readonly PassedOver[]
  /** Of a call that may make several attempts: microseconds until the head went to the client, and no other target could follow. */
  readonly committedUs?: number
  /** Newest per source. */
  readonly usageRaw: readonly Raw[]
  /** What was asked for and decides the price: service_tier, n, size, quality, ttl_1h ... */
  readonly priceFacts: Readonly<Record<string, string | number>>
  readonly counts: Counts
  /** Hex, of the whole bodies as relayed; `null` when the body was omitted or never came. */
  readonly sha256: { readonly req: string | null; readonly res: string | null }
  /** Allow-listed, masked. */
  readonly reqHeaders: readonly (readonly [string, string])[]
  readonly resHeaders: readonly (readonly [string, string])[]
  readonly reqBody: StoredBody | null
  readonly resBody: StoredBody | null
  readonly identity: Identity
  /** `null` = the call did not ask to read from our cache. */
  readonly cache: CacheFacts | null
  readonly guardrails: readonly string[]
  readonly altered: readonly string[]
  readonly warnings: readonly string[]
  /** What the reader of the answer noted: `malformed`, `unreadable`, `clamped` ... */
  readonly notes: readonly string[]
  /** Where whole bodies beyond the limit lie, under `bodies.spill`: `<tenant>/<yyyymmdd>/<id>`, then `.req`, `.res`. */
  readonly spill?: string
  readonly retentionDays: { readonly rows: number; readonly bodies: number }
  /** Id of the row of the connection over which this response came (Realtime); its span is the parent of ours. */
  readonly connection?: string
}

/** An event without its bodies, which are told by their lengths. */
export type ExchangeHead = Omit<Exchange, 'reqBody' | 'resBody'> & {
  readonly reqBody: BodyHead | null
  readonly resBody: BodyHead | null
}
interface BodyHead {
  readonly length: number
  readonly encoding: string | null
  readonly truncated: boolean
}

/** A body on its way into the journal: kept by reference, in the pieces it came in. */
export interface BodyPieces {
  readonly pieces: readonly Uint8Array[]
  readonly length: number
  readonly encoding: string | null
  readonly truncated: boolean
}

/** What the proxy hands to `encodeExchange`: an Exchange whose bodies are still in pieces. */
export type Outgoing = Omit<Exchange, 'reqBody' | 'resBody'> & {
  readonly reqBody: BodyPieces | null
  readonly resBody: BodyPieces | null
}

export const bodyHead = (body: BodyPieces | null): BodyHead | null =>
  body === null ? null : { length: body.length, encoding: body.encoding, truncated: body.truncated }

/**
 * The payload of one journal record: u32 LE length of the JSON head, the head, the request body, the response body.
 *
 * @returns Pieces for one `writev`; nothing is copied.
 */
export const encodeExchange = (exchange: Outgoing): Uint8Array[] => {
  const json = JSON.stringify({ ...exchange, reqBody: bodyHead(exchange.reqBody), resBody: bodyHead(exchange.resBody) })
  const length = Buffer.byteLength(json)
  const head = Buffer.allocUnsafe(4 + length)
  head.writeUInt32LE(length, 0)
  head.write(json, 4)
  return [head, ...(exchange.reqBody?.pieces ?? []), ...(exchange.resBody?.pieces ?? [])]
}

/** What is certain about a call before it is sent: the same in its start and its end. */
export type Settled = Pick<
  Exchange,
  | 'v'
  | 'id'
  | 'tenant'
  | 'writer'
  | 'startedAt'
  | 'operation'
  | 'provider'
  | 'api'
  | 'endpoint'
  | 'target'
  | 'serverAddress'
  | 'streaming'
  | 'requestModel'
  | 'priceFacts'
  | 'reqHeaders'
  | 'identity'
  | 'retentionDays'
  | 'connection'
>

/** What the call itself tells. */
export type Learned = Omit<ExchangeHead, keyof Settled>

const noMarks: Marks = {
  admitted: null,
  sent: null,
  headers: null,
  firstByte: null,
  firstContent: null,
  lastByte: null,
  closed: null,
}

/** What a start leaves out, because nothing of it has happened yet. */
const untold: Omit<Learned, 'kind' | 'seq'> = {
  marksUs: noMarks,
  responseModel: null,
  responseId: null,
  finishReason: null,
  status: 0,
  outcome: 'proxy_lost',
  error: null,
  attempts: [],
  usageRaw: [],
  counts: { reqBytes: 0, resBytes: 0, chunks: 0, events: 0, contentChars: 0, toolCalls: 0 },
  sha256: { req: null, res: null },
  resHeaders: [],
  reqBody: null,
  resBody: null,
  cache: null,
  guardrails: [],
  altered: [],
  warnings: [],
  notes: [],
}

/** Told by a start; everything else of it is as in `untold`. */
export type StartLearned = Pick<Learned, 'seq' | 'marksUs' | 'counts' | 'altered' | 'warnings'> & { readonly kind: 'start' }

/**
 * Reads a payload written by `encodeExchange` or `encodeParts` (exchange-parts.ts). Bodies are views into `payload`.
 *
 * @throws Error when the bytes are not one whole event; RangeError `newer version` when `v` is unknown.
 */
export const decodeExchange = (payload: Buffer): Exchange => {
  const headLength = payload.readUInt32LE(0)
  let head = JSON.parse(payload.toString('utf8', 4, 4 + headLength)) as ExchangeHead
  if (head.kind === 'start') head = { ...untold, ...head }
  if (head.v !== 1) throw new RangeError(`Event version ${String(head.v)} is newer than this Weir understands (1).`)
  let at = 4 + headLength
  const body = (described: BodyHead | null): StoredBody | null => {
    if (described === null) return null
    const bytes = payload.subarray(at, at + described.length)
    if (bytes.length !== described.length) throw new Error('The event ends inside a body.')
    at += described.length
    return { bytes, encoding: described.encoding, truncated: described.truncated }
  }
  const reqBody = body(head.reqBody)
  return { ...head, reqBody, resBody: body(head.resBody) }
}
