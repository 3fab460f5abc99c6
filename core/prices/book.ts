import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { baseModel, baseVersion, type Rate } from './base.js'
import type { Unit } from './cost.js'
import { decimalOf, type Decimal } from './money.js'

/** What decides which prices hold, apart from the time and the size of the call. */
export interface PriceKey {
  readonly provider: string
  readonly model: string
  /** `null` = standard. */
  readonly tier: string | null
  readonly region: string | null
}

/** The prices of one model at one time for one size of input. */
export interface Priced {
  readonly modelId: string
  rate(unit: Unit): Rate | null
  /** False when a tier was asked for and `unit` has only its standard price. */
  hasTier(unit: Unit): boolean
  /** Applies to tokens. `1` unless the region costs more. */
  readonly multiplier: string
  readonly multiplierDecimal: Decimal
}

/** Prices by model, dated. Immutable; matches are remembered. */
export interface PriceBook {
  /** Version of all price data in it: base, overlay date, overrides. */
  readonly id: string
  /** @returns `null` when no entry knows the model. @param inputTokens All input of one pass. */
  priced(key: PriceKey, at: Date, inputTokens: number): Priced | null
}

interface OverlayEntry {
  readonly provider: string
  readonly model: string
  readonly tier: string | null
  readonly unit: Unit
  readonly usd: string
  readonly per: number
  readonly from: string | null
  readonly until: string | null
  readonly region: string | null
  readonly ctxFrom: number
  readonly checked: string
}

interface RegionEntry {
  readonly provider: string
  readonly models: readonly string[]
  readonly region: string
  readonly multiplier: string
  readonly checked: string
}

interface OverlayRate extends Rate {
  readonly tier: string | null
  /** Place of its name among those the model goes by; 0 = the very name that was asked for. */
  readonly rank: number
  readonly from: number
  readonly until: number
}

interface Matched {
  readonly modelId: string
  readonly blocks: NonNullable<ReturnType<typeof baseModel>>['blocks']
  readonly overlay: ReadonlyMap<Unit, readonly OverlayRate[]>
  /** Entries for every model of the provider: what a tool costs where nothing else says it. */
  readonly anyModel: ReadonlyMap<Unit, readonly OverlayRate[]>
  readonly multiplier: string
  readonly multiplierDecimal: Decimal
}

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T

/** Matches that are kept, misses too: a match costs 27 µs. */
const maxMatches = 4096

const suffix = /(?:-\d{8}|-\d{4}-\d{2}-\d{2}|-\d{4}|-\d{3}|-latest|-v\d+(?::\d+)?|@\d{8})$/

/** Names an entry may have for an asked model: itself, then the base's name for it, or without its date or version suffix. */
const namesOf = (model: string, baseId: string | null): readonly string[] =>
  // Where the base tells this version from the others, an entry for the others is not for it: gpt-4o-2024-05-13.
  baseId?.toLowerCase() === model
    ? [...new Set([model, baseId])]
    : [...new Set([model, baseId ?? model, model.replace(suffix, '')])]

/** Takes away what the host added: `models/`, `publishers/.../models/`, `@date` of Vertex. */
const plainName = (provider: string, model: string): string => {
  const name = model
    .trim()
    .toLowerCase()
    .replace(/^.*\/models\//, '')
    .replace(/^models\//, '')
  return provider === 'vertex' ? name.replace(/@.*$/, '') : name
}

const overlayRate = (entry: OverlayEntry, rank: number): OverlayRate => ({
  usdText: entry.usd,
  usd: decimalOf(entry.usd) as Decimal,
  per: entry.per,
  ctxFrom: entry.ctxFrom,
  origin: 'overlay',
  tier: entry.tier,
  rank,
  from: entry.from === null ? -Infinity : Date.parse(entry.from),
  until: entry.until === null ? Infinity : Date.parse(entry.until),
})

const one: Decimal = { digits: 1n, scale: 0 }

const pick = (rates: readonly Rate[], inputTokens: number): Rate | null => {
  let found: Rate | null = null
  for (const rate of rates) if (rate.ctxFrom <= inputTokens && (found === null || rate.ctxFrom >= found.ctxFrom)) found = rate
  return found
}

/** Of the rates that hold: a named tier before none, then the closest name, the later, the larger context. */
const best = (rates: readonly OverlayRate[], now: number, inputTokens: number): OverlayRate | null => {
  let found: OverlayRate | null = null
  for (const rate of rates) {
    if (rate.from > now || rate.until <= now || rate.ctxFrom > inputTokens) continue
    if (found === null) found = rate
    else if ((rate.tier === null) !== (found.tier === null)) found = rate.tier === null ? found : rate
    else if (rate.rank !== found.rank) found = rate.rank < found.rank ? rate : found
    else if (rate.from > found.from || (rate.from === found.from && rate.ctxFrom > found.ctxFrom)) found = rate
  }
  return found
}

/**
 * Opens the price data of this release: overlay before base, per unit the first that has it. Nothing is fetched.
 *
 * Both come with the code, so a price changes only with a version of Weir, and every row names that version.
 */
export const openPriceBook = (): PriceBook => {
  const entries = readdirSync(new URL('./overlay/', import.meta.url))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => read<readonly OverlayEntry[]>(`./overlay/${name}`))
  const regions = read<readonly RegionEntry[]>('./regions.json')
  const checked =
    [...entries, ...regions]
      .map((entry) => entry.checked)
      .sort()
      .at(-1) ?? ''
  const overrides = createHash('sha256').update('[]').digest('hex').slice(0, 8)

  const byModel = new Map<string, OverlayEntry[]>()
  for (const entry of entries) {
    const key = `${entry.provider}|${entry.model}`
    const list = byModel.get(key)
    if (list === undefined) byModel.set(key, [entry])
    else list.push(entry)
  }

  const match = ({ provider, model, tier, region }: PriceKey): Matched | null => {
    const asked = plainName(provider, model)
    const base = baseModel(provider, asked)
    const names = namesOf(asked, base?.id ?? null)
    const own = names.flatMap((name) => byModel.get(`${provider}|${name}`) ?? [])
    const known = base !== null || own.some((entry) => entry.tier === null)
    if (!known) return null
    const ratesOf = (list: readonly OverlayEntry[]): ReadonlyMap<Unit, readonly OverlayRate[]> => {
      const rates = new Map<Unit, OverlayRate[]>()
      for (const entry of list) {
        if (entry.tier !== null && entry.tier !== tier) continue
        if (entry.region !== null && entry.region !== region) continue
        rates.set(entry.unit, [...(rates.get(entry.unit) ?? []), overlayRate(entry, Math.max(0, names.indexOf(entry.model)))])
      }
      return rates
    }
    const priced = regions.find(
      (entry) =>
        entry.provider === provider &&
        entry.region === region &&
        entry.models.some((name) => name === '*' || names.includes(name)),
    )
    const multiplier = priced?.multiplier ?? '1'
    return {
      modelId: base?.id ?? own[0]?.model ?? asked,
      blocks: base?.blocks ?? [],
      overlay: ratesOf(own),
      anyModel: ratesOf(byModel.get(`${provider}|*`) ?? []),
      multiplier,
      multiplierDecimal: decimalOf(multiplier) ?? one,
    }
  }

  const matches = new Map<string, Matched | null>()
  const matched = (key: PriceKey): Matched | null => {
    const text = `${key.provider}|${key.model}|${key.tier ?? ''}|${key.region ?? ''}`
    const kept = matches.get(text)
    if (kept !== undefined) {
      // The newest end of the map is the last used: the oldest end is dropped.
      matches.delete(text)
      matches.set(text, kept)
      return kept
    }
    const found = match(key)
    matches.set(text, found)
    if (matches.size > maxMatches) matches.delete(matches.keys().next().value as string)
    return found
  }

  return {
    id: `${baseVersion}+${checked}+${overrides}`,
    priced: (key, at, inputTokens) => {
      const found = matched(key)
      if (found === null) return null
      const now = at.getTime()
      let block: Matched['blocks'][number] | null = null
      for (const candidate of found.blocks) if (candidate.holds(at)) block = candidate
      const overlayOf = (unit: Unit): OverlayRate | null => best(found.overlay.get(unit) ?? [], now, inputTokens)
      return {
        modelId: found.modelId,
        multiplier: found.multiplier,
        multiplierDecimal: found.multiplierDecimal,
        rate: (unit) =>
          overlayOf(unit) ??
          pick(block?.rates.get(unit) ?? [], inputTokens) ??
          best(found.anyModel.get(unit) ?? [], now, inputTokens),
        hasTier: (unit) => (overlayOf(unit)?.tier ?? null) !== null,
      }
    },
  }
}
