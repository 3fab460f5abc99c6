import { z } from 'zod'
import { units, type Unit } from './cost.js'
import { decimalOf, picoOf, usdOf } from './money.js'

/** Prices of a user's own, from weir.yaml (cost.md §2). One of `free`, `discount` and `prices` says something. */
export interface PriceOverride {
  readonly provider: string
  /** Lower case; `*` stands for any text. */
  readonly model: string
  /** `null`: prices are for the standard tier, `free` and `discount` for all tiers. */
  readonly tier: string | null
  /** `null` = every region. */
  readonly region: string | null
  /** ISO 8601, UTC, inclusive; `null` = since ever. */
  readonly from: string | null
  /** Exclusive; `null` = until further notice. */
  readonly until: string | null
  readonly free: boolean
  /** Part of the list price that is not paid, of all units: `0.15`. */
  readonly discount: string | null
  readonly per: number
  /** Decimal USD without trailing zeros. */
  readonly prices: Readonly<Partial<Record<Unit, string>>>
}

/** A fault in words; `null` = it is a decimal from 0 to `most`. */
const faultOf = (text: string, most: number, places: number): string | null => {
  const decimal = decimalOf(text)
  if (decimal === null) return `"${text}" is no decimal number. Accepted form: "2.00".`
  if (decimal.digits < 0n) return `${text} is negative. Accepted: 0 or more.`
  if ((picoOf(text) ?? 0n) > BigInt(most) * 10n ** 12n) return `${text} is too large. Accepted: 0 to ${most}.`
  // Columns of cost lines hold so many, and what they hold has to be what was multiplied.
  const zeros = /0*$/.exec(decimal.digits.toString())?.[0].length ?? 0
  if (decimal.digits !== 0n && decimal.scale - zeros > places) return `${text} has more than ${places} decimal places.`
  return null
}

const decimal = (most: number, places: number) =>
  z.union([z.string(), z.number()], { error: 'accepted form: a decimal number, as "2.00"' }).transform((given, context) => {
    const text = String(given).trim()
    const fault = faultOf(text, most, places)
    if (fault === null) return usdOf(picoOf(text) ?? 0n)
    context.addIssue({ code: 'custom', message: fault })
    return z.NEVER
  })

const instant = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,3})?)?)?\s*(Z|[+-]\d{2}:\d{2})?$/i

/** @returns Milliseconds; `null` when there is no such moment. Without a zone it is UTC. */
const momentOf = (text: string): number | null => {
  const found = instant.exec(text.trim())
  if (found === null) return null
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = found
  const date = `${year}-${month}-${day}`
  // Date.parse takes the 31st of June for the 1st of July.
  if (!new Date(Date.parse(`${date}T00:00:00Z`) || Number.NaN).toJSON()?.startsWith(date)) return null
  const ms = Date.parse(`${date}T${hour}:${minute}:${second}${fraction}${zone.toUpperCase()}`)
  return Number.isNaN(ms) ? null : ms
}

const moment = z
  .string({ error: 'accepted form: 2026-07-01, or 2026-07-01T08:00:00Z; UTC' })
  .transform((text, context) => {
    const ms = momentOf(text)
    if (ms !== null) return new Date(ms).toISOString()
    context.addIssue({
      code: 'custom',
      message: `"${text}" is no date. Accepted form: 2026-07-01, or 2026-07-01T08:00:00Z; UTC.`,
    })
    return z.NEVER
  })
  .nullable()
  .default(null)

const standard = new Set(['', 'default', 'standard'])
const name = z.string().trim().min(1)

/** How one entry of `prices` in weir.yaml may look. What entries say of each other is checked by `overlapsOf`. */
export const priceOverride = z
  .strictObject({
    provider: name.toLowerCase().describe('Name of the provider.'),
    model: name.toLowerCase().describe('Model id; * stands for any text. An exact id goes before a pattern.'),
    tier: z
      .string()
      .trim()
      .toLowerCase()
      .nullable()
      .default(null)
      .transform((tier) => (tier === null || standard.has(tier) ? null : tier))
      .describe('Service tier, as priority, flex, batch. Default: prices are for the standard tier, the others for all.'),
    region: z
      .string()
      .trim()
      .toLowerCase()
      .nullable()
      .default(null)
      .transform((region) => (region === '' ? null : region))
      .describe('Region, as eu, us, global. Default: every region.'),
    from: moment.describe('First moment it holds, UTC. Default: since ever.'),
    until: moment.describe('First moment it no longer holds, UTC. Default: until further notice.'),
    free: z.boolean().default(false).describe('The calls cost nothing.'),
    discount: decimal(1, 4)
      .nullable()
      .default(null)
      .describe('Part of the list price that is not paid, of all units: "0.15" is 15 % off.'),
    per: z
      .union([z.enum(['1', '1K', '1M']), z.literal(1)], { error: 'accepted: 1, 1K, 1M' })
      .default('1M')
      .transform((per) => (per === '1M' ? 1_000_000 : per === '1K' ? 1000 : 1))
      .describe('How many of the unit the prices are for.'),
    prices: z
      .partialRecord(z.enum(units), decimal(999_999, 12))
      .default({})
      .describe(`USD by unit: ${units.join(', ')}.`),
  })
  .superRefine((entry, context) => {
    // What was not understood is missing here, and is told already.
    if (context.issues.length > 0) return
    const told = [entry.free, entry.discount !== null, Object.keys(entry.prices).length > 0].filter(Boolean).length
    if (told !== 1)
      context.addIssue({ code: 'custom', message: 'says not one thing. Accepted: one of free: true, discount and prices.' })
    if (entry.from !== null && entry.until !== null && entry.from >= entry.until)
      context.addIssue({
        code: 'custom',
        path: ['until'],
        message: `${entry.until.slice(0, 16)} is not after from, ${entry.from.slice(0, 16)}: it would never hold.`,
      })
  })

/** Two entries that say different things of the same call. */
export interface Overlap {
  /** Places in the list. */
  readonly first: number
  readonly second: number
  readonly reason: string
}

/** What an entry decides; a model that is free is decided in all. */
const decides = ({ free, discount, prices }: PriceOverride): readonly string[] =>
  free ? [...units, 'discount'] : discount !== null ? ['discount'] : Object.keys(prices)

const subjectOf = ({ provider, model, tier, region }: PriceOverride): string =>
  [`${provider} ${model}`, tier === null ? '' : `tier ${tier}`, region === null ? '' : `region ${region}`]
    .filter(Boolean)
    .join(', ')

/** @returns Every pair that overlaps, in the order of the list. */
export const overlapsOf = (overrides: readonly PriceOverride[]): readonly Overlap[] => {
  const found: Overlap[] = []
  const bySubject = new Map<string, number[]>()
  for (const [second, entry] of overrides.entries()) {
    const subject = subjectOf(entry)
    const before = bySubject.get(subject) ?? []
    for (const first of before) {
      const other = overrides[first] as PriceOverride
      const from = (other.from ?? '') > (entry.from ?? '') ? other.from : entry.from
      const until = (other.until ?? '~') < (entry.until ?? '~') ? other.until : entry.until
      const both = decides(entry).filter((unit) => decides(other).includes(unit))
      if (both.length === 0 || (from ?? '') >= (until ?? '~')) continue
      const what = both.length > 3 ? 'all units' : both.join(', ')
      const when = `${from === null ? '' : ` from ${from.slice(0, 10)}`}${until === null ? '' : ` until ${until.slice(0, 10)}`}`
      found.push({ first, second, reason: `both say what ${what} of ${subject} cost${when === '' ? ' at any time' : when}` })
    }
    bySubject.set(subject, [...before, second])
  }
  return found
}
