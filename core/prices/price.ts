import type { Usage } from '../usage.js'
import { Bill, mostPico, note } from './bill.js'
import type { PriceBook } from './book.js'
import type { CallFacts } from './call-facts.js'
import type { Cost, CostStatus } from './cost.js'
import { itemise, type Itemised } from './itemise.js'
import { addAmounts, picoOf, subtractAmounts, usdOf, usdOfAmount } from './money.js'
import { notBillable } from './not-billable.js'

export type { CallFacts, GivenUp } from './call-facts.js'

interface Verdict {
  readonly status: CostStatus
  readonly reason: string | null
  readonly totalUsd: string | null
}

const nothing = (priceId: string, status: CostStatus, reason: string, totalUsd: string | null): Cost => ({
  lines: [],
  inputUsd: totalUsd,
  outputUsd: totalUsd,
  otherUsd: totalUsd,
  ownUsd: totalUsd,
  providerUsd: null,
  totalUsd,
  savedUsd: null,
  status,
  reason,
  priceId,
})

/** A cost with the sums of its lines. */
const summed = (bill: Bill, ownUsd: string, providerUsd: string | null, verdict: Verdict, priceId: string): Cost => ({
  lines: bill.lines,
  inputUsd: usdOfAmount(bill.input),
  outputUsd: usdOfAmount(bill.output),
  otherUsd: usdOfAmount(bill.other),
  ownUsd,
  providerUsd,
  totalUsd: verdict.totalUsd,
  savedUsd: null,
  status: verdict.status,
  reason: verdict.reason,
  priceId,
})

const plainAndSmall = /^\d{1,5}(?:\.\d+)?$/
const isTooLarge = (usd: string | null): boolean => usd !== null && !plainAndSmall.test(usd) && (picoOf(usd) ?? 0n) > mostPico

/** What was charged before is not charged again. */
const lessCharged = (cost: Cost, { charged }: CallFacts): Cost => {
  if (charged === null || charged === undefined) return cost
  if (charged.source === 'wire') return nothing(cost.priceId, 'not_billable', 'already_charged', '0')
  if (cost.totalUsd === null) return cost
  const left = (picoOf(cost.totalUsd) ?? 0n) - (picoOf(charged.usd) ?? 0n)
  return { ...cost, totalUsd: left <= 0n ? '0' : usdOf(left), reason: 'less_already_charged' }
}

/** How sure a sum is, and why. */
const certaintyOf = (bill: Bill, usage: Usage, { untold }: Itemised, totalUsd: string): Verdict => {
  for (const told of usage.notes) {
    // Pictures, sound, files and turns kept elsewhere, of which our count knows nothing: the sum is a lower bound.
    if (told.endsWith('_not_counted')) note(bill.partial, told)
    else if (told.startsWith('clamped') || told === 'total_mismatch') note(bill.estimated, 'usage_clamped')
    // A figure that is none, or fits no other: what stands in its place is not what the provider bills.
    else if (told === 'malformed' || told === 'ttl_split_mismatch') note(bill.estimated, 'usage_malformed')
    else if (told === 'byok_cost_not_told') note(bill.estimated, told)
  }
  if (bill.partial.length > 0) return { status: 'partial', reason: bill.partial.join(' '), totalUsd }
  if (untold) return { status: 'partial', reason: 'quantity_not_told', totalUsd }
  const { estimated } = bill
  const counted = usage.usageSource === 'estimated' ? (usage.reason ?? 'estimated') : null
  if (counted !== null && !estimated.includes(counted)) estimated.unshift(counted)
  return estimated.length > 0
    ? { status: 'estimated', reason: estimated.join(' '), totalUsd }
    : { status: 'exact', reason: null, totalUsd }
}

/** The attempts before the one that was answered: each with lines of its own, at its own provider and model. */
const addGivenUp = (facts: CallFacts, bill: Bill, at: Date, book: PriceBook): void => {
  for (const { attempt, provider, model, usage } of facts.givenUp ?? []) {
    const before = bill.total
    const attempted = { ...facts, attempt, provider, requestModel: model, responseModel: null, api: 'chat' }
    const { known } = itemise(usage, attempted, bill, at, book)
    if (!known) note(bill.partial, 'unknown_model')
    else if (usage.outputTokens === null) note(bill.partial, 'quantity_not_told')
    note(bill.estimated, 'attempt_given_up')
    bill.earlier = addAmounts(bill.earlier, subtractAmounts(bill.total, before))
  }
}

/** Nothing is owed for the answer; for what was given up before it, something may be. */
const unbilled = (usage: Usage, facts: CallFacts, reason: string, at: Date, book: PriceBook): Cost => {
  if (facts.givenUp !== undefined && facts.givenUp.length > 0) {
    const bill = new Bill()
    addGivenUp(facts, bill, at, book)
    if (bill.priced > 0) {
      const totalUsd = usdOfAmount(bill.total)
      const status = bill.partial.length > 0 ? 'partial' : 'estimated'
      const why = (bill.partial.length > 0 ? bill.partial : bill.estimated).join(' ')
      return summed(bill, totalUsd, null, { status, reason: why, totalUsd }, book.id)
    }
  }
  const cost = nothing(book.id, 'not_billable', reason, '0')
  if (reason !== 'cached' || usage.usageSource === 'none') return cost
  const saved = new Bill()
  const { known, free } = itemise(usage, facts, saved, at, book)
  return known && !free && saved.priced > 0 && !saved.isTooLarge ? { ...cost, savedUsd: usdOfAmount(saved.total) } : cost
}

const billed = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Cost => {
  const bill = new Bill()
  if (facts.givenUp !== undefined) addGivenUp(facts, bill, at, book)
  const items = itemise(usage, facts, bill, at, book)
  const { known, counted } = items
  const providerUsd = isTooLarge(usage.providerCostUsd) ? null : usage.providerCostUsd
  if (items.free && bill.lines.length === 0) return { ...nothing(book.id, 'not_billable', 'free', '0'), providerUsd }
  if (bill.isTooLarge) return nothing(book.id, 'unpriced', 'out_of_range', null)
  const hasOwn = known && counted && (bill.priced > 0 || bill.lines.length === 0)
  const ownUsd = hasOwn ? usdOfAmount(bill.total) : null

  let theirs: Verdict | null = null
  if (providerUsd !== null && facts.trustCost === true) {
    const isAll = bill.earlier === 0
    const totalUsd = isAll ? providerUsd : usdOf((picoOf(providerUsd) ?? 0n) + BigInt(bill.earlier))
    theirs = { status: 'provider', reason: isAll ? null : 'attempt_given_up', totalUsd }
  }
  if (ownUsd !== null) return summed(bill, ownUsd, providerUsd, theirs ?? certaintyOf(bill, usage, items, ownUsd), book.id)
  const reason = !counted ? (usage.reason ?? 'not_on_wire') : !known ? 'unknown_model' : bill.partial.join(' ')
  const unpriced = { ...nothing(book.id, 'unpriced', reason, null), providerUsd, lines: known && counted ? bill.lines : [] }
  return theirs === null ? unpriced : { ...unpriced, ...theirs }
}

/**
 * Prices a call. Pure: the same arguments give the same cost, to the pico-USD.
 *
 * @param at When the call was made: prices are dated.
 * @returns Lines that are disjoint and add up to `ownUsd`; the first status of cost.md §1 that applies. Unknown is `null`, never 0.
 */
export const price = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Cost => {
  const reason = notBillable(usage, facts)
  return reason === null ? lessCharged(billed(usage, facts, at, book), facts) : unbilled(usage, facts, reason, at, book)
}
