import { timeShort } from './format.js'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** The ranges that move with the clock, by the word that stands in the URL. */
export const presets = {
  '15m': { label: '15 min', long: 'the last 15 minutes', ms: 15 * minute },
  '1h': { label: '1 h', long: 'the last hour', ms: hour },
  '6h': { label: '6 h', long: 'the last 6 hours', ms: 6 * hour },
  '24h': { label: '24 h', long: 'the last 24 hours', ms: day },
  '7d': { label: '7 d', long: 'the last 7 days', ms: 7 * day },
  '30d': { label: '30 d', long: 'the last 30 days', ms: 30 * day },
} as const
export type Preset = keyof typeof presets
export const presetNames = Object.keys(presets) as readonly Preset[]
export const defaultPreset: Preset = '1h'

/** A time range as the URL says it: one that moves with the clock, or two fixed instants (milliseconds, `to` exclusive). */
export type Range = { readonly preset: Preset } | { readonly from: number; readonly to: number }
export interface Period {
  readonly from: number
  readonly to: number
}

const isPreset = (word: string | null): word is Preset => word !== null && Object.hasOwn(presets, word)

const instant = (text: string | null): number | null => {
  if (text === null) return null
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : ms
}

/** Reads `?range=` or `?from=&to=`. What cannot be understood is the default: an old link still opens. */
export const rangeFrom = (params: URLSearchParams): Range => {
  const from = instant(params.get('from'))
  const to = instant(params.get('to'))
  if (from !== null && to !== null && from < to) return { from, to }
  const word = params.get('range')
  return { preset: isPreset(word) ? word : defaultPreset }
}

/** The parameters that stand for a range; `null` takes one out. */
export const rangeParams = (range: Range): Record<'range' | 'from' | 'to', string | null> =>
  'preset' in range
    ? { range: range.preset === defaultPreset ? null : range.preset, from: null, to: null }
    : { range: null, from: new Date(range.from).toISOString(), to: new Date(range.to).toISOString() }

/** The two instants a range means now. */
export const periodOf = (range: Range, now: number): Period =>
  'preset' in range ? { from: now - presets[range.preset].ms, to: now } : { from: range.from, to: range.to }

/** The next wider preset, for "nothing here: look further back"; `null` at the widest. */
export const wider = (range: Range): Preset | null => {
  const width = 'preset' in range ? presets[range.preset].ms : range.to - range.from
  return presetNames.find((name) => presets[name].ms > width) ?? null
}

/** For sentences: `the last hour`, `25 Nov 19:00 to 25 Nov 20:00`. */
export const rangeText = (range: Range): string =>
  'preset' in range ? presets[range.preset].long : `${timeShort(range.from)} to ${timeShort(range.to)}`

const two = (n: number): string => String(n).padStart(2, '0')
/** What an `<input type="datetime-local">` shows, in the viewer's zone. */
export const localInput = (ms: number): string => {
  const date = new Date(ms)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`
}
