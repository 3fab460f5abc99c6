import type { Block } from './base.js'
import { units, type Unit } from './cost.js'
import { isWithin, type Hours } from './hours.js'
import { amountPico, picoOf, usdOf, type Amount, type Decimal } from './money.js'
import { rateOf, type Rate } from './rate.js'

/** What one of a unit costs, all things considered but the quantity. */
export interface UnitPrice {
  readonly rate: Rate
  /** The unit whose price it is: `input` for a cached token where nothing else says what that costs. */
  readonly pricedAs: Unit
  /** Decimal: what the region adds and what a discount takes. */
  readonly multiplier: string
  /** False when a tier was asked for and this is the standard price. */
  readonly ofTier: boolean
  /** Of a quantity >= 0, rounded half-even once. */
  amount(quantity: number): Amount
}

/** The prices of one model at one time for one size of input. */
export interface Priced {
  readonly modelId: string
  /** An override says that it costs nothing. */
  readonly free: boolean
  /** The prices are those of the model's maker; what the gateway takes is not known. */
  readonly assumed: boolean
  /** What the list says of the very unit. @param variant Size and quality of a picture, or of a search. */
  own(unit: Unit, variant?: string | null): UnitPrice | null
  /** As `own`, else what stands in for it. */
  price(unit: Unit, variant?: string | null): UnitPrice | null
}

/** An override that is no price: it frees, or takes a part off. */
export interface Rule {
  /** `prices`: keeps a wider entry from freeing the model. A decimal: the part that is taken off. */
  readonly says: 'free' | 'prices' | Decimal
  readonly tier: string | null
  readonly region: string | null
  readonly from: number
  readonly until: number
  readonly rank: number
  readonly order: number
}

/** All that is known of the prices of one model, for one tier and region. */
export interface Matched {
  readonly modelId: string
  readonly free: boolean
  readonly assumed: boolean
  readonly tier: string | null
  /** Of overrides and overlay, under every name of the model. */
  readonly rates: readonly Rate[]
  readonly blocks: readonly Block[]
  /** Entries for every model of the provider: what a tool costs where nothing else says it. */
  readonly anyModel: readonly Rate[]
  readonly rules: readonly Rule[]
  /** Of the region, for tokens. */
  readonly multiplier: Decimal
}

/** Units that are tokens, which alone have a region's multiplier. */
export const tokenUnits: ReadonlySet<Unit> = new Set(units.slice(0, units.indexOf('image')))

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

const one: Decimal = { digits: 1n, scale: 0 }
const zero = (unit: Unit): Rate => rateOf({ unit, usdText: '0', per: 1_000_000, origin: 'base' })

const times = (a: Decimal, b: Decimal): Decimal => ({ digits: a.digits * b.digits, scale: a.scale + b.scale })
const rest = ({ digits, scale }: Decimal): Decimal => ({ digits: 10n ** BigInt(scale) - digits, scale })
const textOf = ({ digits, scale }: Decimal): string => usdOf(picoOf(`${digits}e-${scale}`) ?? 0n)

const quantityOf = (quantity: number): Decimal =>
  Number.isInteger(quantity) ? { digits: BigInt(quantity), scale: 0 } : { digits: BigInt(Math.round(quantity * 1e6)), scale: 6 }

/** Pico-USD of one, where that is a whole number that is held exactly; else NaN. */
const picoOfOne = (rate: Rate, multiplier: Decimal): number => {
  const digits = rate.usd.digits * multiplier.digits * 10n ** 12n
  const divisor = BigInt(rate.per) * 10n ** BigInt(rate.usd.scale + multiplier.scale)
  if (digits % divisor !== 0n) return Number.NaN
  const pico = Number(digits / divisor)
  return Number.isSafeInteger(pico) ? pico : Number.NaN
}

const unitPrice = (rate: Rate, pricedAs: Unit, multiplier: Decimal, ofTier: boolean): UnitPrice => {
  const each = picoOfOne(rate, multiplier)
  return {
    rate,
    pricedAs,
    multiplier: textOf(multiplier),
    ofTier,
    amount(quantity) {
      // Two integers whose product is a safe one are multiplied exactly; NaN is none.
      const product = quantity * each
      if (Number.isInteger(quantity) && Number.isSafeInteger(product)) return product
      const pico = amountPico(quantityOf(quantity), rate.usd, multiplier, rate.per)
      return pico <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(pico) : pico
    },
  }
}

/** Of two that hold: the closer name, the named region, the later, hours before none, the larger context. */
const isBetter = (rate: Rate, than: Rate): boolean => {
  if (rate.rank !== than.rank) return rate.rank < than.rank
  if ((rate.region === null) !== (than.region === null)) return rate.region !== null
  if (rate.order !== than.order) return rate.order > than.order
  if ((rate.hours === null) !== (than.hours === null)) return rate.hours !== null
  return rate.ctxFrom > than.ctxFrom
}

const bestOf = (rates: readonly Rate[], fits: (rate: Rate) => boolean): Rate | null => {
  let found: Rate | null = null
  for (const rate of rates) if (fits(rate) && (found === null || isBetter(rate, found))) found = rate
  return found
}

const isStronger = (rule: Rule, than: Rule): boolean => {
  if (rule.rank !== than.rank) return rule.rank < than.rank
  const named = ({ tier, region }: Rule): number => (tier === null ? 0 : 1) + (region === null ? 0 : 1)
  return named(rule) === named(than) ? rule.order > than.order : named(rule) > named(than)
}

const strongest = (rules: readonly Rule[]): Rule | null => {
  let found: Rule | null = null
  for (const rule of rules) if (found === null || isStronger(rule, found)) found = rule
  return found
}

/** Works out what holds at one moment for one size. */
const sheetAt = (matched: Matched, now: number, inputTokens: number): Priced => {
  const { modelId, assumed, tier } = matched
  const holds = ({ from, until, hours, ctxFrom }: Rate): boolean =>
    from <= now && now < until && ctxFrom <= inputTokens && (hours === null || isWithin(hours, now))
  const rates = matched.rates.filter(holds)
  const anyModel = matched.anyModel.filter(holds)
  let block: Block | null = null
  for (const candidate of matched.blocks)
    if (candidate.from <= now && (candidate.hours === null || isWithin(candidate.hours, now))) block = candidate
  const base = block?.rates.filter(({ ctxFrom }) => ctxFrom <= inputTokens) ?? []

  const rules = matched.rules.filter(({ from, until }) => from <= now && now < until)
  const freed = strongest(rules.filter(({ says }) => says === 'free' || says === 'prices'))?.says === 'free'
  const discount = strongest(rules.filter(({ says }) => typeof says === 'object'))?.says
  const paid = typeof discount === 'object' ? rest(discount) : one

  const find = (unit: Unit, variant: string | null): Rate | null => {
    const of = (list: readonly Rate[], origin: Rate['origin'], ofTier: string | null): Rate | null => {
      const fits = (wanted: string | null) => (rate: Rate) =>
        rate.unit === unit && rate.origin === origin && rate.tier === ofTier && rate.variant === wanted
      return (variant === null ? null : bestOf(list, fits(variant))) ?? bestOf(list, fits(null))
    }
    return (
      (tier === null ? null : (of(rates, 'override', tier) ?? of(rates, 'overlay', tier))) ??
      of(rates, 'override', null) ??
      of(rates, 'overlay', null) ??
      of(base, 'base', null) ??
      of(anyModel, 'overlay', null)
    )
  }
  const priceOf = (rate: Rate | null, unit: Unit): UnitPrice | null => {
    const isToken = tokenUnits.has(unit)
    // `:free` of a gateway: its searches cost all the same.
    if (matched.free && isToken && rate?.origin !== 'override') return unitPrice(zero(unit), unit, one, true)
    if (rate === null) return null
    // A price for a region is what is paid there, an override what is paid at all.
    const regional = isToken && rate.region === null ? matched.multiplier : one
    return unitPrice(rate, unit, rate.origin === 'override' ? regional : times(regional, paid), rate.tier === tier)
  }

  const own = new Map<Unit, UnitPrice | null>()
  for (const unit of units) own.set(unit, priceOf(find(unit, null), unit))
  const instead = new Map<Unit, UnitPrice | null>()
  for (const unit of units) {
    let found = own.get(unit) ?? null
    for (const other of found === null ? (fallbacks[unit] ?? []) : []) {
      found = own.get(other) ?? null
      if (found !== null) break
    }
    instead.set(unit, found)
  }
  const variants = new Map<string, UnitPrice | null>()
  for (const { unit, variant } of rates)
    if (variant !== null) variants.set(`${unit} ${variant}`, priceOf(find(unit, variant), unit))
  const varied = (unit: Unit, variant: string | null | undefined): UnitPrice | null =>
    variant === null || variant === undefined || variants.size === 0 ? null : (variants.get(`${unit} ${variant}`) ?? null)

  return {
    modelId,
    free: freed,
    assumed,
    own: (unit, variant) => varied(unit, variant) ?? own.get(unit) ?? null,
    price: (unit, variant) => varied(unit, variant) ?? instead.get(unit) ?? null,
  }
}

/** The prices of one model at any time, in milliseconds, for any size of input. */
export type Sheets = (now: number, inputTokens: number) => Priced

const boundaries = (values: readonly number[], least: number): readonly number[] =>
  [...new Set(values)].filter((value) => value > least && value < Infinity).sort((a, b) => a - b)

/**
 * The prices of a model by time and size. What holds between two dates, for one size and in the same hours, is worked out once.
 *
 * @returns The same object for the same prices.
 */
export const sheets = (matched: Matched): Sheets => {
  const baseRates = matched.blocks.flatMap(({ rates }) => rates)
  const all = [...matched.rates, ...matched.anyModel, ...baseRates]
  const dates = boundaries(
    [...all, ...matched.rules].flatMap(({ from, until }) => [from, until]).concat(matched.blocks.map(({ from }) => from)),
    -Infinity,
  )
  const sizes = boundaries(
    all.map(({ ctxFrom }) => ctxFrom),
    0,
  )
  const hours = [...matched.rates, ...matched.anyModel, ...matched.blocks].flatMap((of) => of.hours ?? [])
  const parts: readonly Hours[] = [
    ...new Map(hours.map((part) => [`${[...part.days].join()} ${part.from} ${part.until}`, part])).values(),
  ]
  const known = new Map<number, Priced>()
  return (now, inputTokens) => {
    let place = 0
    for (const date of dates) if (date <= now) place++
    let size = 0
    for (const from of sizes) if (from <= inputTokens) size++
    place = place * (sizes.length + 1) + size
    for (const part of parts) place = place * 2 + (isWithin(part, now) ? 1 : 0)
    const kept = known.get(place)
    if (kept !== undefined) return kept
    const sheet = sheetAt(matched, now, inputTokens)
    known.set(place, sheet)
    return sheet
  }
}
