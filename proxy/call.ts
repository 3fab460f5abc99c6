import type { WeirError } from '../core/errors.js'
import type { Identity } from '../core/exchange.js'
import type { Provider } from '../core/providers/registry.js'
import type { Route } from '../core/providers/routes.js'
import type { TenantId } from '../core/tenant.js'
import type { Durability } from '../journal/port.js'
import type { Caller } from './identify/caller.js'
import type { OwnValue } from './identify/own-values.js'
import type { Steering } from './identify/steering.js'

/** Where a call goes: provider, origin, path, model. */
export interface Target {
  readonly provider: Provider
  /** `scheme://host[:port]` */
  readonly origin: string
  /** Path and query at the origin, as sent. */
  readonly path: string
  readonly route: Route
  /** A caller gave the address: it gets no key of ours, and no socket is shared with it. Absent = no. */
  readonly byCaller?: boolean
}

/** Ask for it and hide the chunk it comes in; ask and leave the chunk; touch nothing. */
export type StreamUsage = 'auto' | 'pass' | 'off'

/** What a request asks for, read once from path and headers; the body has not been touched. Frozen in spirit: stages return new ones. */
export interface Call {
  readonly id: string
  readonly tenant: TenantId
  readonly caller: Caller
  readonly method: string
  /** Method and path with keys masked, without query. */
  readonly endpoint: string
  /** `null` on a unified path until the body has named a model. */
  readonly target: Target | null
  /** The unified path `/v1/...` the body decides about, or the list of models; `null` when the path named a provider. */
  readonly unifiedPath: string | null
  /** Why it may not go where its caller wants it to; `null` = it may. */
  readonly refused: WeirError | null
  /** Flat name-value pairs for the upstream; latin1 as received; no host, no length, nothing of ours. */
  readonly headers: readonly string[]
  /** Keys given by `Weir-<Provider>-Key`, by provider name. */
  readonly providerKeys: ReadonlyMap<string, string>
  /** Allow-listed request headers for the record. */
  readonly storedHeaders: readonly (readonly [string, string])[]
  readonly contentEncoding: string | null
  /** What the caller put where a provider key goes; for the mismatch check of the unified path. */
  readonly clientKey: string | null
  /** The caller's Weir key, in clear: never written, never sent on. `null` = none. */
  readonly weirKey: string | null
  readonly identity: Identity
  readonly durability: Durability
  /** What is done about the usage of a stream that does not tell it (wire.md §1.1). */
  readonly streamUsage: StreamUsage
  /** The cost is wanted in the head of the answer, which is held for it. */
  readonly costReport: boolean
  /** What is written to the client ends where an event ends. */
  readonly wholeEvents: boolean
  /** Our headers as they were understood, by name in lower case, those of weir.yaml among them. */
  readonly own: ReadonlyMap<string, OwnValue>
  /** What was asked of the way it takes: cache, limits, retries, other targets. */
  readonly steering: Steering
  /** The caller takes trailers: the cost may follow a chunked answer. */
  readonly trailers: boolean
  readonly warnings: readonly string[]
  /** The caller speaks Helicone's dialect: twins of our response headers go out. */
  readonly twins: boolean
  /** `Weir-Hop` for an origin that is not a built-in default. */
  readonly hop: number
}

/** The answer as it flows: head first, then chunks into one sink. */
export interface Reply {
  readonly status: number
  readonly statusText: string
  /** Flat name-value pairs as they came (latin1). */
  readonly headers: readonly string[]
  readonly body: ReplyBody
}

export interface ReplyBody {
  /** Chunks that came before are handed over at once, in order. */
  attach(sink: Sink): void
  pause(): void
  resume(): void
  /** Gives the upstream up at once. No call to the sink follows. */
  destroy(): void
  /** Told once content has come. */
  begun?(): void
}

export interface Sink {
  data(chunk: Buffer): void
  end(): void
  /** The upstream broke off; nothing follows. */
  fail(cause: Error): void
}
