import { createHash } from 'node:crypto'
import { baseModel, baseVersion, type BaseModel } from './base.js'
import { bookEntries, type BookEntry } from './book-entries.js'
import type { Unit } from './cost.js'
import { matchesPattern, nameModel, withoutSuffix, type Listing } from './model-names.js'
import { decimalOf, type Decimal } from './money.js'
import { overlay, overlayRate, type RegionEntry } from './overlay.js'
import type { PriceOverride } from './override.js'
import { rateOf, type Rate } from './rate.js'
import { sheets, type Matched, type Priced, type Rule, type Sheets } from './sheet.js'

/** What decides which prices hold, apart from the time and the size of the call. */
export interface PriceKey {
  readonly provider: string
  readonly model: string
  /** `null` = standard. */
  readonly tier: string | null
  readonly region: string | null
}

/** Prices by model, dated. Immutable; matches are remembered. */
export interface PriceBook {
  /** Version of all price data in it: base, overlay date, overrides. */
  readonly id: string
  /** @returns `null` when no entry knows the model. @param inputTokens All input of one pass. */
  priced(key: PriceKey, at: Date, inputTokens: number): Priced | null
  /** All that is in it, for `model_prices`: some 20,000, made on demand. */
  entries(): Iterable<BookEntry>
}

/** Matches that are kept, misses too: a match costs 27 µs. */
const maxMatches = 4096

const one: Decimal = { digits: 1n, scale: 0 }

/** Names an entry may have for an asked model: itself, then the base's name for it, or without its date or version suffix. */
const namesOf = (asked: readonly string[], baseId: string | null): readonly string[] => {
  const own = baseId?.toLowerCase() ?? null
  // Where the base tells this version from the others, an entry for the others is not for it: gpt-4o-2024-05-13.
  if (own !== null && own === asked[0]) return [...new Set([...asked, baseId as string])]
  return [...new Set([...asked, ...(baseId === null || own === null ? [] : [baseId, own]), ...asked.map(withoutSuffix)])]
}

/** `null` = since ever, or until further notice. */
const ms = (iso: string | null, open: number): number => (iso === null ? open : Date.parse(iso))

interface Ranked {
  readonly override: PriceOverride
  /** Of the name; a pattern comes after all names. */
  readonly rank: number
  readonly order: number
}

const patternRank = 1000

const rankIn = (names: readonly string[], { model }: PriceOverride): number | null => {
  if (!model.includes('*')) {
    const at = names.indexOf(model)
    return at < 0 ? null : at
  }
  return names.some((name) => matchesPattern(model, name)) ? patternRank : null
}

const ruleOf = ({ override, rank, order }: Ranked): Rule => ({
  says: override.free ? 'free' : override.discount === null ? 'prices' : (decimalOf(override.discount) ?? one),
  tier: override.tier,
  region: override.region,
  from: ms(override.from, -Infinity),
  until: ms(override.until, Infinity),
  rank,
  order,
})

const ratesIn = ({ override, rank, order }: Ranked): readonly Rate[] =>
  Object.entries(override.prices).map(([unit, usdText]) =>
    rateOf({
      unit: unit as Unit,
      usdText,
      per: override.per,
      origin: 'override',
      tier: override.tier,
      region: override.region,
      from: ms(override.from, -Infinity),
      until: ms(override.until, Infinity),
      rank,
      order,
    }),
  )

/** The same whatever order its units were written in. */
const inOrder = (override: PriceOverride): PriceOverride => ({
  ...override,
  prices: Object.fromEntries(Object.entries(override.prices).sort(([a], [b]) => (a < b ? -1 : 1))),
})

interface Found {
  readonly listing: Listing
  readonly names: readonly string[]
  readonly base: BaseModel | null
  readonly rates: readonly Rate[]
}

/**
 * Opens the price data of this release, under the prices of a user's own: override before overlay before base, per unit the first that
 * has it. Nothing is fetched; overlay and base come with the code.
 *
 * @param overrides `prices` of the configuration. The same ones give a book with the same id.
 */
export const openPriceBook = (overrides: readonly PriceOverride[] = []): PriceBook => {
  const { byModel, regions, checked } = overlay()
  const content = createHash('sha256')
    .update(JSON.stringify(overrides.map(inOrder)))
    .digest('hex')
    .slice(0, 8)

  const lookUp = (listing: Listing, { tier }: PriceKey, region: string | null): Found => {
    let base: BaseModel | null = null
    for (const name of listing.names) {
      base = baseModel(listing.provider, name)
      if (base !== null) break
    }
    const names = namesOf(listing.names, base?.id ?? null)
    const rates = names.flatMap((name, rank) =>
      (byModel.get(`${listing.provider}|${name}`) ?? [])
        .filter((entry) => (entry.tier === null || entry.tier === tier) && (entry.region === null || entry.region === region))
        .map((entry) => overlayRate(entry, rank)),
    )
    return { listing, names, base, rates }
  }

  const multiplierOf = (provider: string, names: readonly string[], region: string | null): Decimal => {
    const isHere = (entry: RegionEntry): boolean =>
      entry.provider === provider &&
      (entry.region === region || (entry.region === '*' && region !== null && region !== 'global')) &&
      entry.models.some((name) => name === '*' || names.includes(name))
    return region === null ? one : (decimalOf(regions.find(isHere)?.multiplier ?? '1') ?? one)
  }

  const matchOf = (key: PriceKey): Matched | null => {
    const { listings, region: named, free } = nameModel(key.provider, key.model)
    const region = named ?? key.region
    let found: Found | null = null
    const names: string[] = []
    for (const listing of listings) {
      const looked = lookUp(listing, key, region)
      names.push(...looked.names)
      found ??= looked
      if (looked.base !== null || looked.rates.some(({ tier }) => tier === null)) {
        found = looked
        break
      }
    }
    if (found === null) return null
    const mine: Ranked[] = []
    for (const [order, override] of overrides.entries()) {
      if (override.provider !== key.provider) continue
      if (override.tier !== null && override.tier !== key.tier) continue
      if (override.region !== null && override.region !== region) continue
      const rank = rankIn(names, override)
      if (rank !== null) mine.push({ override, rank, order })
    }
    const { listing, base, rates } = found
    const isKnown =
      free || base !== null || rates.some(({ tier }) => tier === null) || mine.some(({ override }) => override.discount === null)
    if (!isKnown) return null
    return {
      modelId:
        base?.id ??
        byModel.get(`${listing.provider}|${found.names.find((name) => byModel.has(`${listing.provider}|${name}`)) ?? ''}`)?.[0]
          ?.model ??
        listing.names[0] ??
        '',
      free,
      assumed: listing.assumed,
      tier: key.tier,
      rates: [...mine.flatMap(ratesIn), ...rates],
      blocks: base?.blocks ?? [],
      anyModel: (byModel.get(`${listing.provider}|*`) ?? [])
        .filter((entry) => entry.tier === null && (entry.region === null || entry.region === region))
        .map((entry) => overlayRate(entry, 0)),
      rules: mine.map(ruleOf),
      multiplier: multiplierOf(listing.provider, found.names, region),
    }
  }

  // Two halves: what is used stays in the younger one, and when that is full the older one is dropped. A hit moves nothing.
  let recent = new Map<string, Sheets | null>()
  let older = new Map<string, Sheets | null>()
  const matched = (key: PriceKey): Sheets | null => {
    const text = `${key.provider}|${key.model}|${key.tier ?? ''}|${key.region ?? ''}`
    const kept = recent.get(text)
    if (kept !== undefined) return kept
    let found = older.get(text)
    if (found === undefined) {
      const match = matchOf(key)
      found = match === null ? null : sheets(match)
    }
    if (recent.size >= maxMatches / 2) {
      older = recent
      recent = new Map()
    }
    recent.set(text, found)
    return found
  }

  return {
    id: `${baseVersion}+${checked}+${content}`,
    priced: (key, at, inputTokens) => matched(key)?.(at.getTime(), inputTokens) ?? null,
    entries: () => bookEntries(overrides),
  }
}
