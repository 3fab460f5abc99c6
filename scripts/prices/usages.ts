import type { Unit } from '../../core/prices/cost.js'
import { amountPico, decimalOf, type Pico } from '../../core/prices/money.js'
import { noUsage, type Usage } from '../../core/usage.js'
import type { Rates } from './their-prices.js'

/** The uses that are priced by both. */
export const usageNames = ['plain', 'cached', 'long', 'audio', 'batch'] as const
export type UsageName = (typeof usageNames)[number]

export type Quantities = Partial<Record<Unit, number>>

const has = (rates: Rates, unit: Unit): boolean => rates[unit]?.some((step) => step.usd !== '0') === true

/**
 * What is counted in one of the five uses. `null` = they name no price for what would tell it from the plain one, or one that
 * nothing is known of: nothing to compare.
 */
export const quantitiesOf = (name: UsageName, rates: Rates): Quantities | null => {
  const tokens = has(rates, 'input') || has(rates, 'output')
  const counted = (wanted: Quantities): Quantities =>
    Object.fromEntries(Object.entries(wanted).filter(([unit]) => has(rates, unit as Unit)))
  const isKnown = (...units: readonly Unit[]): boolean => units.some((unit) => has(rates, unit))
  if (name === 'long') return tokens ? counted({ input: 300_000, output: 1000 }) : null
  if (name === 'cached')
    return tokens && isKnown('cache_read', 'cache_write')
      ? counted({ input: 2000, cache_read: 6000, cache_write: 2000, output: 1000 })
      : null
  if (name === 'audio')
    return tokens && isKnown('input_audio', 'output_audio')
      ? counted({ input: 1000, input_audio: 1000, output: 500, output_audio: 500 })
      : null
  if (tokens) return counted({ input: 10_000, output: 1000 })
  const other = counted({ audio_second: 600, character: 1000, page: 10 })
  return Object.keys(other).length === 0 ? null : other
}

const inputUnits = new Set<Unit>(['input', 'cache_read', 'cache_write', 'input_audio'])
const outputUnits = new Set<Unit>(['output', 'output_audio'])

const sumOf = (quantities: Quantities, wanted: ReadonlySet<Unit>): number =>
  Object.entries(quantities).reduce((sum, [unit, quantity]) => (wanted.has(unit as Unit) ? sum + quantity : sum), 0)

/** The same counts as our usage: totals with their parts. */
export const usageOf = (quantities: Quantities, serviceTier: string | null): Usage => {
  const { cache_read, cache_write, input_audio, output_audio, audio_second, character, page } = quantities
  const extra = { audio_seconds: audio_second, characters: character, pages: page }
  return {
    ...noUsage('not_on_wire'),
    usageSource: 'wire',
    reason: null,
    inputTokens: sumOf(quantities, inputUnits),
    outputTokens: sumOf(quantities, outputUnits),
    cacheReadTokens: cache_read ?? 0,
    cacheWriteTokens: cache_write ?? 0,
    inputAudioTokens: input_audio ?? 0,
    outputAudioTokens: output_audio ?? 0,
    extra: Object.fromEntries(Object.entries(extra).filter((entry): entry is [string, number] => entry[1] !== undefined)),
    serviceTier,
  }
}

/** What they would charge, in pico-USD. Tokens of an input kind without a price of its own take the price of text. */
export const theirPico = (quantities: Quantities, rates: Rates): Pico => {
  const all = sumOf(quantities, inputUnits)
  let sum = 0n
  for (const [unit, quantity] of Object.entries(quantities) as [Unit, number][]) {
    const steps = rates[unit] ?? (inputUnits.has(unit) ? rates.input : rates.output) ?? []
    const step = steps
      .filter(({ from }) => from <= all)
      .reduce<(typeof steps)[number] | null>((best, one) => (best === null || one.from >= best.from ? one : best), null)
    const usd = step === null ? null : decimalOf(step.usd)
    if (step === null || usd === null) continue
    sum += amountPico({ digits: BigInt(quantity), scale: 0 }, usd, { digits: 1n, scale: 0 }, step.per)
  }
  return sum
}
