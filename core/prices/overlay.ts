import { readdirSync, readFileSync } from 'node:fs'
import type { Unit } from './cost.js'
import { hoursOf, type Hours } from './hours.js'
import { rateOf, type Rate } from './rate.js'

/** One price as it stands in `overlay/*.json`. Dates are UTC; `from` is inclusive, `until` exclusive. */
export interface OverlayEntry {
  readonly provider: string
  /** Lower case; `*` = every model of the provider that has no price of its own for the unit. */
  readonly model: string
  readonly tier: string | null
  readonly unit: Unit
  readonly usd: string
  readonly per: number
  readonly from: string | null
  readonly until: string | null
  readonly region: string | null
  readonly ctxFrom: number
  /** Part of the week it holds in, UTC: `01:00-04:00`, `Mon-Fri 16:30-00:30`, `Sat,Sun 00:00-24:00`; the dates hold, too. */
  readonly hours: string | null
  /** `1024x1024/hd` of an image, `low` `medium` `high` of a search; absent or `null` = whatever no other entry names. */
  readonly variant?: string | null
  readonly checked: string
}

/** What a place adds to the price of tokens, as it stands in `regions.json`. */
export interface RegionEntry {
  readonly provider: string
  /** `*` = all. */
  readonly models: readonly string[]
  /** `*` = every region but `global`. */
  readonly region: string
  readonly multiplier: string
  readonly checked: string
}

export interface Overlay {
  /** By `provider|model`. */
  readonly byModel: ReadonlyMap<string, readonly OverlayEntry[]>
  readonly regions: readonly RegionEntry[]
  /** The newest day on which an entry was checked. */
  readonly checked: string
}

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T

const load = (): Overlay => {
  const regions = read<readonly RegionEntry[]>('./regions.json')
  const byModel = new Map<string, OverlayEntry[]>()
  let checked = ''
  for (const { checked: day } of regions) if (day > checked) checked = day
  for (const name of readdirSync(new URL('./overlay/', import.meta.url)).sort()) {
    if (!name.endsWith('.json')) continue
    for (const entry of read<readonly OverlayEntry[]>(`./overlay/${name}`)) {
      const key = `${entry.provider}|${entry.model}`
      const list = byModel.get(key)
      if (list === undefined) byModel.set(key, [entry])
      else list.push(entry)
      if (entry.checked > checked) checked = entry.checked
    }
  }
  return { byModel, regions, checked }
}

let loaded: Overlay | null = null

/** The overlay of this release. Read once: books differ in their overrides alone. */
export const overlay = (): Overlay => (loaded ??= load())

/** What cannot be read never holds: better no price than a wrong one. */
const never: Hours = { days: new Set(), from: 0, until: 1 }

/** @param rank Of the name under which the entry was found. */
export const overlayRate = (entry: OverlayEntry, rank: number): Rate =>
  rateOf({
    unit: entry.unit,
    usdText: entry.usd,
    per: entry.per,
    ctxFrom: entry.ctxFrom,
    origin: 'overlay',
    tier: entry.tier,
    region: entry.region,
    variant: entry.variant ?? null,
    from: entry.from === null ? -Infinity : Date.parse(entry.from),
    until: entry.until === null ? Infinity : Date.parse(entry.until),
    hours: entry.hours === null ? null : (hoursOf(entry.hours) ?? never),
    rank,
  })
