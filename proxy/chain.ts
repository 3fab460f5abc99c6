import type { Conditions } from '../core/conditions.js'
import type { JsonObject } from '../core/providers/json-text.js'
import type { Target } from './call.js'
import type { FailoverAsked } from './identify/failover.js'

/** One of the targets a call may go to. */
export interface ChainTarget {
  /** As headers and rows call it: `provider/model`, or `@name` of weir.yaml. */
  readonly name: string
  readonly target: Target
  /** Position among those of the call, as they were given; 0 = the first. */
  readonly index: number
  /** The call as it came, without any change. */
  readonly isOwn: boolean
  /** Takes the place of the body's; `null` = the body's own. */
  readonly model: string | null
  /** The model stands in the path, and the body stays as it is. */
  readonly modelInPath: boolean
  readonly retries: number | null
  readonly ttftMs: number | null
  readonly timeoutMs: number | null
  readonly weight: number
  readonly on: Conditions | null
  readonly leaveOn: Conditions | null
  /** Flat pairs in the place of the caller's; `null` = the caller's. */
  readonly headers: readonly string[] | null
  readonly override: JsonObject | null
  /** Flat pairs of weir.yaml, beside all others and in the place of those of the same name; `null` = none. */
  readonly added: readonly string[] | null
  /** A provider key of its own, from weir.yaml; `null` = none. */
  readonly key: string | null
  /** Why the caller's Weir key may not go there: it is passed over. `null` = it may. */
  readonly denied: string | null
}

/** Where a call may go, one after the other, and what it asks of the tries. */
export interface Chain {
  readonly asked: FailoverAsked
  /** As given; at least one. */
  readonly targets: readonly ChainTarget[]
}
