import type { Outcome } from '../exchange.js'
import type { Usage } from '../usage.js'
import { Bill, mostPico, type Place } from './bill.js'
import type { PriceBook } from './book.js'
import type { Cost, CostStatus } from './cost.js'
import { feeQuantities } from './fees.js'
import { pricedModel } from './model-names.js'
import { addAmounts, picoOf, usdOf, usdOfAmount } from './money.js'
import { tokenQuantities } from './quantities.js'
import type { Priced } from './sheet.js'

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

const standardTiers = new Set(['', 'default', 'standard', 'on_demand', 'auto', 'standard_only'])

const tierOf = (usage: Usage, asked: CallFacts['asked']): string | null => {
  const told =
    usage.serviceTier ?? (asked.speed === 'fast' ? 'fast' : typeof asked.service_tier === 'string' ? asked.service_tier : '')
  if (standardTiers.has(told)) return null
  const tier = told.toLowerCase()
  return standardTiers.has(tier) ? null : tier
}

const openAiHost = /^(eu|us)\.api\.openai\.com(?::|$)/
const vertexHost = /^(?:([a-z0-9-]+)-)?aiplatform\.(?:([a-z]+)\.rep\.)?googleapis\.com(?::|$)/

const regionOf = (usage: Usage, { provider, serverAddress, asked }: CallFacts): string | null => {
  if (provider === 'openai') return serverAddress === null ? null : (openAiHost.exec(serverAddress)?.[1] ?? null)
  if (provider === 'vertex' && usage.region === null && serverAddress !== null) {
    const host = vertexHost.exec(serverAddress)
    return host === null ? null : (host[1] ?? host[2] ?? 'global')
  }
  return usage.region ?? (typeof asked.inference_geo === 'string' ? asked.inference_geo : null)
}

const freeApis = new Set(['count_tokens', 'count_content_tokens'])

/** Why an API owes nothing for a call that has used nothing, as its reader found. */
const withoutUsage: Partial<Record<string, string>> = {
  // A connection costs nothing beside its responses, as long as they could be read.
  realtime_session: 'connection',
  moderations: 'free',
  // Still being made: the read that finds it done tells its usage.
  responses: 'poll',
}

/** Why nothing is owed; `null` when something may be. */
const notBillable = (usage: Usage, facts: CallFacts): string | null => {
  const { outcome, api, status } = facts
  if (outcome === 'refused') return 'refused'
  if (outcome === 'cached') return 'cached'
  if (freeApis.has(api)) return 'free'
  // A batch repeats its sum at every poll.
  if (api === 'batch') return 'poll'
  if (status >= 400) return 'http_error'
  // Failures before a response byte cost nothing, except where we gave up waiting: the model may have worked all the while.
  if (status === 0 && (outcome === 'upstream_abort' || outcome === 'client_abort')) return 'no_answer'
  // Model lists, file reads, polls. A WebSocket (101) begins with a GET and is billed all the same.
  if (api === '' && status !== 101 && /^(?:GET|HEAD|DELETE|OPTIONS) /.test(facts.endpoint)) return 'read'
  if (usage.usageSource === 'none' && usage.reason === 'not_applicable') return withoutUsage[api] ?? null
  return null
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

/** How a call was priced. */
interface Own {
  readonly bill: Bill
  /** False: no list knows the model. */
  readonly known: boolean
  readonly free: boolean
  /** Something of the call is a quantity, whether the provider told it or the request did. */
  readonly counted: boolean
  /** A quantity that has a price was not told. */
  readonly untold: boolean
}

const hasServerTools = ({ extra }: Usage): boolean =>
  (extra.web_search_requests ?? 0) > 0 || (extra.web_fetch_requests ?? 0) > 0 || (extra.code_execution_requests ?? 0) > 0

/** @param bill Gets the lines. */
const bills = (usage: Usage, facts: CallFacts, bill: Bill, at: Date, book: PriceBook): Own => {
  const tier = tierOf(usage, facts.asked)
  const region = regionOf(usage, facts)
  const callModel = pricedModel(facts.provider, facts.requestModel, facts.responseModel)
  const pricedFor = (model: string, inputTokens: number): Priced | null =>
    model === '' ? null : book.priced({ provider: facts.provider, model, tier, region }, at, inputTokens)
  const place = (part: number | null, variant: string | null = null): Place => ({ attempt: facts.attempt, part, tier, variant })

  const forCall = pricedFor(callModel, usage.inputTokens ?? 0)
  if (forCall?.free === true) return { bill, known: true, free: true, counted: true, untold: false }
  // What is billed by the character, second, page or piece has no tokens to bill.
  const fees = forCall === null ? null : feeQuantities(usage, facts, forCall)
  const tokensCount = fees?.insteadOfTokens !== true && usage.usageSource !== 'none'
  let known = forCall !== null
  let free = false
  if (tokensCount && usage.parts.length === 0) {
    let priced = forCall
    if (priced !== null && facts.api === 'messages' && hasServerTools(usage)) {
      // A server tool makes several passes that the answer tells as one sum: none of them need have had so much input.
      const smallest = pricedFor(callModel, 0)
      if (smallest !== null && smallest !== priced) {
        bill.estimated.add('passes_in_one_sum')
        priced = smallest
      }
    }
    if (priced === null) bill.partial.add('unknown_model')
    else {
      const { own } = priced
      const list = priced
      const where = place(null)
      // Seconds of sound are billed once: as seconds, where the tokens they make have no price of their own.
      const soundIsTime = fees?.coversAudio === true && own('input_audio') === null
      tokenQuantities(usage, own('reasoning') !== null, (unit, quantity) => {
        if (!(soundIsTime && (unit === 'input_audio' || unit === 'cache_read_audio'))) bill.add(unit, quantity, list, where)
      })
    }
  } else if (tokensCount) {
    known = false
    free = true
    for (const [index, part] of usage.parts.entries()) {
      const priced = pricedFor(part.model ?? callModel, part.inputTokens ?? 0)
      if (priced === null) {
        bill.partial.add('unknown_model')
        free = false
        continue
      }
      known = true
      if (priced.free) continue
      free = false
      const where = place(index)
      tokenQuantities(part, priced.own('reasoning') !== null, (unit, quantity) => bill.add(unit, quantity, priced, where))
    }
  }
  if (fees !== null && forCall !== null) {
    for (const { unit, quantity, variant } of fees.quantities) bill.add(unit, quantity, forCall, place(null, variant))
    for (const reason of fees.partial) bill.partial.add(reason)
    for (const reason of fees.estimated) bill.estimated.add(reason)
  }
  const billedApart =
    fees?.insteadOfTokens === true ||
    usage.extra.billed_input_tokens !== undefined ||
    usage.extra.billed_output_tokens !== undefined
  const outputCosts = forCall !== null && !isNothing(forCall)
  const untold =
    !billedApart && (usage.inputTokens === null || (usage.outputTokens === null && outputCosts)) && fees?.coversAudio !== true
  return { bill, known, free, counted: usage.usageSource !== 'none' || fees?.insteadOfTokens === true, untold }
}

/** Has output no price at all? Embeddings and rankings have none, and tell none. */
const isNothing = ({ own }: Priced): boolean =>
  [own('output'), own('output_audio'), own('output_image')].every((output) => output === null || output.amount(1) === 0)

const isTooLarge = (usd: string | null): boolean => usd !== null && (picoOf(usd) ?? 0n) > mostPico

/** What was charged before is not charged again. */
const lessCharged = (cost: Cost, charged: CallFacts['charged'], priceId: string): Cost => {
  if (charged === null || charged === undefined) return cost
  if (charged.source === 'wire') return nothing(priceId, 'not_billable', 'already_charged', '0')
  if (cost.totalUsd === null) return cost
  const left = (picoOf(cost.totalUsd) ?? 0n) - (picoOf(charged.usd) ?? 0n)
  return { ...cost, totalUsd: left <= 0n ? '0' : usdOf(left), reason: 'less_already_charged' }
}

const words = (reasons: ReadonlySet<string>): string => [...reasons].join(' ')

const statusOf = (own: Own, usage: Usage): { readonly status: CostStatus; readonly reason: string | null } => {
  const { bill } = own
  // Pictures, sound, files and turns kept elsewhere, of which our count knows nothing: the sum is a lower bound.
  for (const note of usage.notes) if (note.endsWith('_not_counted')) bill.partial.add(note)
  if (bill.partial.size > 0) return { status: 'partial', reason: words(bill.partial) }
  if (own.untold) return { status: 'partial', reason: 'quantity_not_told' }
  if (usage.usageSource === 'estimated') bill.estimated.add(usage.reason ?? 'estimated')
  for (const note of usage.notes) {
    if (note.startsWith('clamped') || note === 'total_mismatch') bill.estimated.add('usage_clamped')
    if (note === 'byok_cost_not_told') bill.estimated.add(note)
  }
  return bill.estimated.size > 0 ? { status: 'estimated', reason: words(bill.estimated) } : { status: 'exact', reason: null }
}

/** The attempts before the one that was answered: each with lines of its own, at its own provider and model. */
const addGivenUp = (facts: CallFacts, bill: Bill, at: Date, book: PriceBook): void => {
  for (const { attempt, provider, model, usage } of facts.givenUp ?? []) {
    const before = bill.total
    const own = bills(
      usage,
      { ...facts, attempt, provider, requestModel: model, responseModel: null, api: 'chat' },
      bill,
      at,
      book,
    )
    if (!own.known) bill.partial.add('unknown_model')
    else if (usage.outputTokens === null) bill.partial.add('quantity_not_told')
    bill.estimated.add('attempt_given_up')
    bill.earlier = addAmounts(bill.earlier, difference(bill.total, before))
  }
}

const difference = (a: Bill['total'], b: Bill['total']): Bill['total'] =>
  typeof a === 'number' && typeof b === 'number' ? a - b : BigInt(a) - BigInt(b)

const amountsOf = (bill: Bill): Pick<Cost, 'lines' | 'inputUsd' | 'outputUsd' | 'otherUsd' | 'ownUsd'> => ({
  lines: bill.lines,
  inputUsd: usdOfAmount(bill.input),
  outputUsd: usdOfAmount(bill.output),
  otherUsd: usdOfAmount(bill.other),
  ownUsd: usdOfAmount(bill.total),
})

const free = (usage: Usage, facts: CallFacts, reason: string, at: Date, book: PriceBook): Cost => {
  const bill = new Bill()
  if (facts.givenUp !== undefined && facts.givenUp.length > 0) {
    // The answer costs nothing; what was given up before it does.
    addGivenUp(facts, bill, at, book)
    if (bill.priced > 0) {
      const status = bill.partial.size > 0 ? ('partial' as const) : ('estimated' as const)
      const why = words(bill.partial.size > 0 ? bill.partial : bill.estimated)
      const amounts = amountsOf(bill)
      return { ...amounts, providerUsd: null, totalUsd: amounts.ownUsd, savedUsd: null, status, reason: why, priceId: book.id }
    }
  }
  const cost = nothing(book.id, 'not_billable', reason, '0')
  if (reason !== 'cached' || usage.usageSource === 'none') return cost
  const saved = bills(usage, facts, new Bill(), at, book)
  return saved.known && !saved.free && saved.bill.priced > 0 ? { ...cost, savedUsd: usdOfAmount(saved.bill.total) } : cost
}

const billable = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Cost => {
  const bill = new Bill()
  if (facts.givenUp !== undefined) addGivenUp(facts, bill, at, book)
  const own = bills(usage, facts, bill, at, book)
  const providerUsd = usage.providerCostUsd
  if (own.free && bill.lines.length === 0) return { ...nothing(book.id, 'not_billable', 'free', '0'), providerUsd }
  const hasOwn = own.known && own.counted && (bill.priced > 0 || bill.lines.length === 0)
  const amounts = hasOwn
    ? amountsOf(bill)
    : { lines: own.known && own.counted ? bill.lines : [], inputUsd: null, outputUsd: null, otherUsd: null, ownUsd: null }
  const rest = { ...amounts, providerUsd, savedUsd: null, priceId: book.id }
  if (providerUsd !== null && facts.trustCost === true)
    return {
      ...rest,
      totalUsd: bill.earlier === 0 ? providerUsd : usdOf((picoOf(providerUsd) ?? 0n) + BigInt(bill.earlier)),
      status: 'provider',
      reason: bill.earlier === 0 ? null : 'attempt_given_up',
    }
  if (!own.counted) return { ...rest, totalUsd: null, status: 'unpriced', reason: usage.reason ?? 'not_on_wire' }
  if (!own.known) return { ...rest, totalUsd: null, status: 'unpriced', reason: 'unknown_model' }
  if (!hasOwn) return { ...rest, totalUsd: null, status: 'unpriced', reason: words(bill.partial) }
  return { ...rest, totalUsd: amounts.ownUsd, ...statusOf(own, usage) }
}

/**
 * Prices a call. Pure: the same arguments give the same cost, to the pico-USD.
 *
 * @param at When the call was made: prices are dated.
 * @returns Lines that are disjoint and add up to `ownUsd`; the first status of cost.md §1 that applies. Unknown is `null`, never 0.
 */
export const price = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Cost => {
  const told = isTooLarge(usage.providerCostUsd) ? { ...usage, providerCostUsd: null } : usage
  const reason = notBillable(told, facts)
  const cost =
    reason === null ? lessCharged(billable(told, facts, at, book), facts.charged, book.id) : free(told, facts, reason, at, book)
  if (isTooLarge(cost.ownUsd) || isTooLarge(cost.savedUsd)) return nothing(book.id, 'unpriced', 'out_of_range', null)
  return cost
}
