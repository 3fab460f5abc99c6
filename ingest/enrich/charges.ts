import type { Exchange } from '../../core/exchange.js'
import { picoOf, usdOf } from '../../core/prices/money.js'
import type { Usage } from '../../core/usage.js'
import { isRead } from './estimate.js'
import type { Enriched } from './enriched.js'
import type { Charged } from './known.js'

/** One row that was charged for a response. */
export interface Charge {
  readonly requestId: string
  /** Decimal, more than 0. */
  readonly usd: string
  readonly source: Charged['source']
}

/** Responses that can be read again, each read telling the whole usage (cost.md §4). */
const repeated = new Set(['responses', 'interactions'])

/** What a response is known by. */
export const responseKey = ({ tenant, provider, responseId }: Pick<Exchange, 'tenant' | 'provider' | 'responseId'>): string =>
  JSON.stringify([tenant, provider, responseId])

/**
 * Has to be asked whether the response was charged before: it tells a usage, and another row may have told the same. A call in the
 * background may end after the first read of what it made.
 */
export const mayBeCharged = (exchange: Exchange, usage: Usage): boolean =>
  repeated.has(exchange.api) &&
  exchange.responseId !== null &&
  exchange.responseId !== '' &&
  exchange.status < 400 &&
  usage.usageSource !== 'none' &&
  (isRead(exchange) || Boolean(exchange.priceFacts.background))

/** The sum of some charges, each row's once; `null` when there is none. */
export const chargedOf = (charges: Iterable<Charge>, requestId: string): Charged | null => {
  const byRow = new Map<string, Charge>()
  for (const charge of charges) if (charge.requestId !== requestId) byRow.set(charge.requestId, charge)
  if (byRow.size === 0) return null
  let pico = 0n
  let source: Charged['source'] = 'estimated'
  for (const charge of byRow.values()) {
    pico += picoOf(charge.usd) ?? 0n
    if (charge.source === 'wire') source = 'wire'
  }
  return { usd: usdOf(pico), source }
}

/** What the rows of one batch charge, in their order: they are not in the store yet when the next one is made. */
export interface ChargeBook {
  note(enriched: Enriched): void
  before(exchange: Exchange): readonly Charge[]
}

export const createChargeBook = (): ChargeBook => {
  const charges = new Map<string, Charge[]>()
  return {
    note({ exchange, usage, cost }) {
      if (!repeated.has(exchange.api) || exchange.responseId === null || cost.totalUsd === null) return
      if ((picoOf(cost.totalUsd) ?? 0n) <= 0n) return
      const key = responseKey(exchange)
      const known = charges.get(key) ?? []
      charges.set(key, known)
      known.push({
        requestId: exchange.id,
        usd: cost.totalUsd,
        source: usage.usageSource === 'estimated' ? 'estimated' : 'wire',
      })
    },
    before: (exchange) => charges.get(responseKey(exchange)) ?? [],
  }
}
