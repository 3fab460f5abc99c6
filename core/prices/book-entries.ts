import { baseModels, type Block } from './base.js'
import { overlay } from './overlay.js'
import type { PriceOverride } from './override.js'
import type { Origin } from './rate.js'

/** One price of a book, as it is kept. */
export interface BookEntry {
  readonly provider: string
  /** An id, a pattern of an override, or `*`. */
  readonly model: string
  /** Empty = standard; for `multiplier`, `discount`, `free`: every tier. */
  readonly tier: string
  /** Empty = every region. */
  readonly region: string
  /** A unit of a cost line; `multiplier`: what a region's tokens cost of the list price; `discount`: the part taken off; `free`. */
  readonly unit: string
  readonly ctxFrom: number
  readonly usd: string
  readonly per: number
  /** Milliseconds; -Infinity = since ever, Infinity = until further notice. */
  readonly from: number
  readonly until: number
  /** Empty = at all hours. */
  readonly hours: string
  /** Empty = whatever no other entry names. */
  readonly variant: string
  readonly origin: Origin
}

/** Those whose lists the base has, by our names. */
const baseProviders = [
  'openai',
  'anthropic',
  'gemini',
  'vertex',
  'azure',
  'bedrock',
  'cohere',
  'deepseek',
  'perplexity',
  'zai',
  'groq',
  'openrouter',
  'fireworks',
  'novita',
  'xai',
  'mistral',
  'together',
  'cerebras',
  'moonshot',
  'voyage',
]

const whole = { tier: '', region: '', ctxFrom: 0, per: 1, from: -Infinity, until: Infinity, hours: '', variant: '' }

/** The start of the next block that takes a whole one's place. */
const endOf = (blocks: readonly Block[], at: number): number =>
  Math.min(Infinity, ...blocks.slice(at + 1).flatMap(({ from, hours }) => (hours === null ? [from] : [])))

function* fromBase(): Generator<BookEntry> {
  for (const provider of baseProviders)
    for (const { id, blocks } of baseModels(provider))
      for (const [at, { from, hoursText, rates }] of blocks.entries())
        for (const { unit, usdText, per, ctxFrom } of rates)
          yield {
            ...whole,
            provider,
            model: id,
            unit,
            ctxFrom,
            usd: usdText,
            per,
            from,
            until: endOf(blocks, at),
            hours: hoursText ?? '',
            origin: 'base',
          }
}

const ms = (text: string | null, open: number): number => (text === null ? open : Date.parse(text))

function* fromOverlay(): Generator<BookEntry> {
  const { byModel, regions } = overlay()
  for (const entries of byModel.values())
    for (const { provider, model, tier, unit, usd, per, from, until, region, ctxFrom, hours, variant } of entries)
      yield {
        provider,
        model,
        tier: tier ?? '',
        region: region ?? '',
        unit,
        ctxFrom,
        usd,
        per,
        from: ms(from, -Infinity),
        until: ms(until, Infinity),
        hours: hours ?? '',
        variant: variant ?? '',
        origin: 'overlay',
      }
  for (const { provider, models, region, multiplier } of regions)
    for (const model of models)
      yield { ...whole, provider, model, region, unit: 'multiplier', usd: multiplier, origin: 'overlay' }
}

function* fromOverrides(overrides: readonly PriceOverride[]): Generator<BookEntry> {
  for (const { provider, model, tier, region, from, until, free, discount, per, prices } of overrides) {
    const entry = {
      ...whole,
      provider,
      model,
      tier: tier ?? '',
      region: region ?? '',
      from: ms(from, -Infinity),
      until: ms(until, Infinity),
      origin: 'override' as const,
    }
    if (free) yield { ...entry, unit: 'free', usd: '0' }
    if (discount !== null) yield { ...entry, unit: 'discount', usd: discount }
    for (const [unit, usd] of Object.entries(prices)) yield { ...entry, unit, usd, per }
  }
}

/** All prices of a book. What the base lends from one provider's list to another's stands with the lender alone. */
export function* bookEntries(overrides: readonly PriceOverride[]): Generator<BookEntry> {
  yield* fromBase()
  yield* fromOverlay()
  yield* fromOverrides(overrides)
}
