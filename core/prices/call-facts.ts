import type { Outcome } from '../exchange.js'
import type { Usage } from '../usage.js'

/** A send that was given up after its answer had begun, or on a time-out: the provider may bill it. */
export interface GivenUp {
  /** Position in the attempts, from 1. */
  readonly attempt: number
  readonly provider: string
  readonly model: string
  readonly usage: Usage
}

/** All that decides the price of a call beside its usage. */
export interface CallFacts {
  readonly provider: string
  readonly api: string
  /** Method and path; the method tells a read from a call that may cost something where no reader knows the API. */
  readonly endpoint: string
  readonly outcome: Outcome
  readonly status: number
  /** The override, if there is one. */
  readonly requestModel: string | null
  readonly responseModel: string | null
  /** `host:port` of the upstream: some regions are a host. */
  readonly serverAddress: string | null
  /** What was asked for (`service_tier`, `speed`, `inference_geo` ...); the answer's own words go before it. */
  readonly asked: Readonly<Record<string, string | number>>
  /** Position in the attempts, from 1, of the one whose answer this is. */
  readonly attempt: number
  /** What the provider tells of its own cost is the total (`Provider.trustCost`). Absent: it is not. */
  readonly trustCost?: boolean
  /** What was charged for the same response before; `wire`: all of it. Absent or `null`: nothing. */
  readonly charged?: { readonly usd: string; readonly source: 'wire' | 'estimated' } | null
  /** Attempts before this one that are billed. */
  readonly givenUp?: readonly GivenUp[]
}
