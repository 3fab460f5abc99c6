import type { Outcome } from '../exchange.js'
import type { Usage } from '../usage.js'
import type { Priced, PriceBook } from './book.js'
import type { Cost, CostLine, CostStatus, Unit } from './cost.js'
import { amountPico, picoOf, usdOf } from './money.js'

/** All that decides the price of a call beside its usage. */
export interface CallFacts {
  readonly provider: string
  readonly api: string
  /** Method and path; the method tells a read from a call that may cost something where no reader knows the API. */
  readonly endpoint: string
  readonly outcome: Outcome
  readonly status: number
  readonly requestModel: string | null
  readonly responseModel: string | null
  /** `host:port` of the upstream: some regions are a host. */
  readonly serverAddress: string | null
  /** What was asked for (`service_tier`, `speed`, `inference_geo` ...); the answer's own words go before it. */
  readonly asked: Readonly<Record<string, string | number>>
  /** Position in the attempts, from 1, of the one whose answer this is. */
  readonly attempt: number
}

const standardTiers = new Set(['', 'default', 'standard', 'on_demand', 'auto', 'standard_only'])

const tierOf = (usage: Usage, asked: CallFacts['asked']): string | null => {
  const told =
    usage.serviceTier ?? (asked.speed === 'fast' ? 'fast' : typeof asked.service_tier === 'string' ? asked.service_tier : '')
  const tier = told.toLowerCase()
  return standardTiers.has(tier) ? null : tier
}

const regionOf = (usage: Usage, { provider, serverAddress, asked }: CallFacts): string | null => {
  if (provider === 'openai') return /^(eu|us)\.api\.openai\.com(?::|$)/.exec(serverAddress ?? '')?.[1] ?? null
  return usage.region ?? (typeof asked.inference_geo === 'string' ? asked.inference_geo : null)
}

/** Whose own figure of the cost is taken over (cost.md §4). */
const trusted = new Set(['openrouter', 'xai', 'perplexity', 'vercel'])

const isInput = new Set<Unit>([
  'input',
  'cache_read',
  'cache_write',
  'cache_write_1h',
  'input_audio',
  'cache_read_audio',
  'input_image',
  'cache_read_image',
])
const isOutput = new Set<Unit>(['output', 'reasoning', 'output_audio', 'output_image'])

type Quantities = readonly (readonly [Unit, number])[]

/** Disjoint token quantities: each token is in one line. */
const tokenQuantities = (usage: Omit<Usage, 'parts'>, reasoningApart: boolean): Quantities => {
  const billedInput = usage.extra.billed_input_tokens
  const billedOutput = usage.extra.billed_output_tokens
  if (billedInput !== undefined || billedOutput !== undefined)
    return [
      ['input', billedInput ?? 0],
      ['output', billedOutput ?? 0],
    ]
  let rest = usage.inputTokens ?? 0
  const take = (wanted: number): number => {
    const taken = Math.max(0, Math.min(wanted, rest))
    rest -= taken
    return taken
  }
  const write = take(usage.cacheWriteTokens ?? 0)
  const write1h = Math.min(write, usage.cacheWrite1hTokens ?? 0)
  const readAudio = take(usage.cacheReadAudioTokens ?? 0)
  const readImage = take(usage.cacheReadImageTokens ?? 0)
  const readText = take((usage.cacheReadTokens ?? 0) - readAudio - readImage)
  const audio = take((usage.inputAudioTokens ?? 0) - readAudio)
  const image = take((usage.inputImageTokens ?? 0) - readImage)
  const fresh = rest
  rest = usage.outputTokens ?? 0
  const outputAudio = take(usage.outputAudioTokens ?? 0)
  const outputImage = take(usage.outputImageTokens ?? 0)
  const reasoning = reasoningApart ? take(usage.reasoningTokens ?? 0) : 0
  return [
    ['input', fresh],
    ['cache_read', readText],
    ['cache_write', write - write1h],
    ['cache_write_1h', write1h],
    ['input_audio', audio],
    ['cache_read_audio', readAudio],
    ['input_image', image],
    ['cache_read_image', readImage],
    ['output', rest],
    ['reasoning', reasoning],
    ['output_audio', outputAudio],
    ['output_image', outputImage],
  ]
}

const feeUnits: readonly (readonly [string, Unit])[] = [
  ['web_search_requests', 'web_search'],
  ['file_search_calls', 'file_search'],
  ['x_search_calls', 'x_search'],
  ['code_interpreter_calls', 'container'],
  ['images', 'image'],
  ['pages', 'page'],
  ['characters', 'character'],
  ['requests', 'request'],
]

const feeQuantities = ({ extra }: Usage): Quantities => feeUnits.map(([name, unit]) => [unit, extra[name] ?? 0])

/** Where a unit has no price of its own. Output of another kind than text has none to fall back on. */
const fallbacks: Partial<Record<Unit, readonly Unit[]>> = {
  cache_read: ['input'],
  cache_write: ['input'],
  cache_write_1h: ['cache_write', 'input'],
  input_audio: ['input'],
  cache_read_audio: ['cache_read', 'input_audio', 'input'],
  input_image: ['input'],
  cache_read_image: ['cache_read', 'input_image', 'input'],
}

interface Tally {
  readonly lines: CostLine[]
  /** Reasons by how much they weigh; the heaviest becomes the status. */
  readonly estimated: Set<string>
  readonly partial: Set<string>
}

interface Where {
  readonly attempt: number
  readonly part: number | null
  readonly tier: string | null
}

const one = { digits: 1n, scale: 0 }

const addLines = (quantities: Quantities, priced: Priced, where: Where, tally: Tally): void => {
  for (const [unit, quantity] of quantities) {
    if (quantity <= 0) continue
    let rate = priced.rate(unit)
    let pricedAs = unit
    for (const other of rate === null ? (fallbacks[unit] ?? []) : []) {
      rate = priced.rate(other)
      pricedAs = other
      if (rate !== null) break
    }
    const isToken = isInput.has(unit) || isOutput.has(unit)
    const multiplied = isToken && priced.multiplier !== '1'
    const line = {
      unit,
      model: priced.modelId,
      attempt: where.attempt,
      part: where.part,
      quantity,
      per: rate?.per ?? 1,
      multiplier: multiplied ? priced.multiplier : '1',
    }
    if (rate === null) {
      tally.partial.add(`no_price_${unit}`)
      tally.lines.push({ ...line, unitPriceUsd: '0', amountUsd: null, from: 'none' })
      continue
    }
    if (unit === 'cache_write_1h' && pricedAs !== unit) tally.estimated.add('no_1h_price')
    if (where.tier !== null && isToken && !priced.hasTier(pricedAs)) tally.estimated.add('no_tier_price')
    const quantityDecimal = Number.isInteger(quantity)
      ? { digits: BigInt(quantity), scale: 0 }
      : { digits: BigInt(Math.round(quantity * 1e6)), scale: 6 }
    const amount = amountPico(quantityDecimal, rate.usd, multiplied ? priced.multiplierDecimal : one, rate.per)
    tally.lines.push({ ...line, unitPriceUsd: rate.usdText, amountUsd: usdOf(amount), from: rate.origin })
  }
}

const sumUsd = (lines: readonly CostLine[], wanted: (unit: Unit) => boolean): string => {
  let sum = 0n
  for (const line of lines) if (line.amountUsd !== null && wanted(line.unit)) sum += picoOf(line.amountUsd) ?? 0n
  return usdOf(sum)
}

/** Why an API owes nothing for a call that has used nothing, as its reader found. */
const withoutUsage: Partial<Record<string, string>> = {
  // A connection costs nothing beside its responses, as long as they could be read.
  realtime_session: 'connection',
  moderations: 'free',
  // Still being made: the read that finds it done tells its usage.
  responses: 'poll',
}

const freeApis = new Set(['count_tokens', 'count_content_tokens'])

/** The largest amount a row can hold. More is no price of a call but a broken count, and would make the store refuse the batch. */
const maxPico = 999_999n * 10n ** 12n

const isTooLarge = (usd: string | null): boolean => usd !== null && (picoOf(usd) ?? 0n) > maxPico

/** Why nothing is owed; `null` when something may be. */
const notBillable = (facts: CallFacts): string | null => {
  if (facts.outcome === 'refused') return 'refused'
  if (facts.outcome === 'cached') return 'cached'
  if (freeApis.has(facts.api)) return 'free'
  // A batch repeats its sum at every poll.
  if (facts.api === 'batch') return 'poll'
  if (facts.status >= 400) return 'http_error'
  // Failures before a response byte cost nothing, except where we gave up waiting: the model may have worked all the while.
  if (facts.status === 0 && (facts.outcome === 'upstream_abort' || facts.outcome === 'client_abort')) return 'no_answer'
  // Model lists, file reads, polls. A WebSocket (101) begins with a GET and is billed all the same.
  if (facts.api === '' && facts.status !== 101 && /^(?:GET|HEAD|DELETE|OPTIONS) /.test(facts.endpoint)) return 'read'
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

interface Own {
  readonly tally: Tally
  /** `null` = no price for any of it. */
  readonly known: boolean
}

const ownLines = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Own => {
  const tally: Tally = { lines: [], estimated: new Set(), partial: new Set() }
  const tier = tierOf(usage, facts.asked)
  const region = regionOf(usage, facts)
  const callModel = facts.responseModel ?? facts.requestModel ?? ''
  const pricedFor = (model: string, inputTokens: number): Priced | null =>
    model === '' ? null : book.priced({ provider: facts.provider, model, tier, region }, at, inputTokens)

  let known = false
  const passes = usage.parts.length > 0 ? usage.parts : [null]
  for (const [index, part] of passes.entries()) {
    const counted = part ?? usage
    const model = part?.model ?? callModel
    let inputTokens = counted.inputTokens ?? 0
    let priced = pricedFor(model, inputTokens)
    if (
      priced !== null &&
      part === null &&
      (usage.extra.web_search_requests ?? usage.extra.web_fetch_requests ?? 0) > 0 &&
      facts.api === 'messages'
    ) {
      // A server tool makes several passes that the answer tells as one sum: none of them need have had so much input.
      const smallest = pricedFor(model, 0)
      if (smallest !== null && smallest.rate('input')?.usdText !== priced.rate('input')?.usdText) {
        tally.estimated.add('passes_in_one_sum')
        priced = smallest
        inputTokens = 0
      }
    }
    if (priced === null) {
      tally.partial.add('unknown_model')
      continue
    }
    known = true
    addLines(
      tokenQuantities(counted, priced.rate('reasoning') !== null),
      priced,
      { attempt: facts.attempt, part: part === null ? null : index, tier },
      tally,
    )
  }
  const forFees = pricedFor(callModel, usage.inputTokens ?? 0)
  if (forFees !== null) {
    addLines(feeQuantities(usage), forFees, { attempt: facts.attempt, part: null, tier: null }, tally)
    // A fee for the request itself is in the prices, not in the usage (Perplexity).
    if (forFees.rate('request') !== null && usage.extra.requests === undefined)
      addLines([['request', 1]], forFees, { attempt: facts.attempt, part: null, tier: null }, tally)
  }
  return { tally, known }
}

const unbounded = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Cost => {
  const free =
    notBillable(facts) ??
    (usage.reason === 'not_applicable' && usage.usageSource === 'none' ? (withoutUsage[facts.api] ?? null) : null)
  if (free !== null) {
    const cost = nothing(book.id, 'not_billable', free, '0')
    if (free !== 'cached' || usage.usageSource === 'none') return cost
    const { tally, known } = ownLines(usage, facts, at, book)
    return known ? { ...cost, savedUsd: sumUsd(tally.lines, () => true) } : cost
  }

  const { tally, known } = ownLines(usage, facts, at, book)
  const counted = usage.usageSource !== 'none'
  const own = known && counted
  const lines = own ? tally.lines : []
  const amounts = {
    lines,
    inputUsd: own ? sumUsd(lines, (unit) => isInput.has(unit)) : null,
    outputUsd: own ? sumUsd(lines, (unit) => isOutput.has(unit)) : null,
    otherUsd: own ? sumUsd(lines, (unit) => !isInput.has(unit) && !isOutput.has(unit)) : null,
    ownUsd: own ? sumUsd(lines, () => true) : null,
    providerUsd: usage.providerCostUsd,
    savedUsd: null,
    priceId: book.id,
  }
  if (usage.providerCostUsd !== null && trusted.has(facts.provider))
    return { ...amounts, totalUsd: usage.providerCostUsd, status: 'provider', reason: null }
  if (!counted)
    return { ...nothing(book.id, 'unpriced', usage.reason ?? 'not_on_wire', null), providerUsd: usage.providerCostUsd }
  if (!own) return { ...nothing(book.id, 'unpriced', 'unknown_model', null), providerUsd: usage.providerCostUsd }
  if (lines.length > 0 && lines.every((line) => line.amountUsd === null))
    return {
      ...amounts,
      inputUsd: null,
      outputUsd: null,
      otherUsd: null,
      ownUsd: null,
      totalUsd: null,
      status: 'unpriced',
      reason: [...tally.partial].join(' '),
    }
  const untold = usage.inputTokens === null || usage.outputTokens === null
  if (tally.partial.size > 0)
    return { ...amounts, totalUsd: amounts.ownUsd, status: 'partial', reason: [...tally.partial].join(' ') }
  if (untold && Object.keys(usage.extra).length === 0)
    return { ...amounts, totalUsd: amounts.ownUsd, status: 'partial', reason: 'quantity_not_told' }
  if (usage.usageSource === 'estimated') tally.estimated.add(usage.reason ?? 'estimated')
  if (usage.notes.some((note) => note.startsWith('clamped') || note === 'total_mismatch')) tally.estimated.add('usage_clamped')
  if (tally.estimated.size > 0)
    return { ...amounts, totalUsd: amounts.ownUsd, status: 'estimated', reason: [...tally.estimated].join(' ') }
  return { ...amounts, totalUsd: amounts.ownUsd, status: 'exact', reason: null }
}

/**
 * Prices a call. Pure: the same arguments give the same cost, to the pico-USD.
 *
 * @param at When the call was made: prices are dated.
 * @returns Lines that are disjoint and add up to `ownUsd`; the first status of cost.md §1 that applies. Unknown is `null`, never 0.
 */
export const price = (usage: Usage, facts: CallFacts, at: Date, book: PriceBook): Cost => {
  const cost = unbounded(isTooLarge(usage.providerCostUsd) ? { ...usage, providerCostUsd: null } : usage, facts, at, book)
  const amounts = [cost.ownUsd, cost.totalUsd, cost.savedUsd, ...cost.lines.map((line) => line.amountUsd)]
  return amounts.some(isTooLarge) ? nothing(book.id, 'unpriced', 'out_of_range', null) : cost
}
