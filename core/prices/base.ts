import { calcPrice, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices'
import type { Unit } from './cost.js'
import { decimalOf, picoOf, usdOf, type Decimal } from './money.js'

/** Version of the shipped base data; part of every `price_id`. */
export const baseVersion = '0.1.8'

/** A price of one unit from a given input size on. */
export interface Rate {
  readonly usdText: string
  readonly usd: Decimal
  readonly per: number
  /** First input count it holds for. */
  readonly ctxFrom: number
  readonly origin: 'override' | 'overlay' | 'base'
}

/** Prices of one model in the time their `holds` says. */
export interface Block {
  readonly holds: (at: Date) => boolean
  readonly rates: ReadonlyMap<Unit, readonly Rate[]>
}

export interface BaseModel {
  readonly id: string
  /** In the order of the data: the last that holds counts. */
  readonly blocks: readonly Block[]
}

const perMillion = 1_000_000
const perThousand = 1000

const units: Readonly<Record<string, readonly [Unit, number]>> = {
  input_mtok: ['input', perMillion],
  output_mtok: ['output', perMillion],
  cache_read_mtok: ['cache_read', perMillion],
  cache_write_mtok: ['cache_write', perMillion],
  cache_write_1h_mtok: ['cache_write_1h', perMillion],
  input_audio_mtok: ['input_audio', perMillion],
  output_audio_mtok: ['output_audio', perMillion],
  cache_audio_read_mtok: ['cache_read_audio', perMillion],
  input_image_mtok: ['input_image', perMillion],
  output_image_mtok: ['output_image', perMillion],
  cache_image_read_mtok: ['cache_read_image', perMillion],
  output_reasoning_mtok: ['reasoning', perMillion],
  requests_kcount: ['request', perThousand],
  web_searches_kcount: ['web_search', perThousand],
  storage_searches_kcount: ['file_search', perThousand],
  audio_hours: ['audio_second', 3600],
  input_document_kpages: ['page', perThousand],
}

const rate = (price: number, per: number, ctxFrom: number): Rate => {
  // The data holds prices as JavaScript numbers; their shortest text is the figure that was typed in.
  const usdText = usdOf(picoOf(String(price)) ?? 0n)
  return { usdText, usd: decimalOf(usdText) as Decimal, per, ctxFrom, origin: 'base' }
}

const ratesOf = (prices: ModelPrice): ReadonlyMap<Unit, readonly Rate[]> => {
  const found = new Map<Unit, readonly Rate[]>()
  for (const [key, price] of Object.entries(prices)) {
    const unit = units[key]
    if (unit === undefined || price === undefined) continue
    const [name, per] = unit
    found.set(
      name,
      typeof price === 'number'
        ? [rate(price, per, 0)]
        : // A tier of the data begins above its start.
          [rate(price.base, per, 0), ...price.tiers.map((tier) => rate(tier.price, per, tier.start + 1))],
    )
  }
  return found
}

const secondsOf = (time: string): number => {
  const [hours = 0, minutes = 0, seconds = 0] = time.replace(/Z$/, '').split(':').map(Number)
  return hours * 3600 + minutes * 60 + seconds
}

const blocksOf = (model: ModelInfo): readonly Block[] => {
  if (!Array.isArray(model.prices)) return [{ holds: () => true, rates: ratesOf(model.prices) }]
  let since = -Infinity
  return model.prices.map(({ constraint, prices }): Block => {
    const rates = ratesOf(prices)
    if (constraint === undefined) return { holds: () => true, rates }
    if (constraint.type === 'start_date') {
      const start = Date.parse(constraint.start_date)
      since = start
      return { holds: (at) => at.getTime() >= start, rates }
    }
    // A daily window belongs to the date before it: the data cannot say both, and on its own would re-price the time before
    // that date (DeepSeek V4 before 2026-08-17 at 02:00).
    const start = since
    const from = secondsOf(constraint.start_time)
    const until = secondsOf(constraint.end_time)
    const holds = (at: Date): boolean => {
      const second = at.getUTCHours() * 3600 + at.getUTCMinutes() * 60 + at.getUTCSeconds()
      const inside = until < from ? second >= from || second < until : second >= from && second < until
      return inside && at.getTime() >= start
    }
    return { holds, rates }
  })
}

const providerIds: Readonly<Record<string, string>> = {
  gemini: 'google',
  vertex: 'google',
  bedrock: 'aws',
  xai: 'x-ai',
  moonshot: 'moonshotai',
}

/**
 * True when the data's model is another version than the one asked for: it takes `titan-embed-text-v2` for v1, and whatever goes on
 * behind a known name for that name.
 */
const isOtherVersion = (asked: string, id: string): boolean => {
  const version = /(?:^|[-.:])v(\d+)(?:$|[^\d])/
  const [theirs, ours] = [version.exec(id)?.[1], version.exec(asked)?.[1]]
  if (theirs !== undefined && ours !== undefined && theirs !== ours) return true
  return asked.startsWith(id) && /^[-.]\d{1,2}(?:$|[^\d])/.test(asked.slice(id.length))
}

/** @param model In lower case. @returns `null` when the base does not know it. */
export const baseModel = (provider: string, model: string): BaseModel | null => {
  const providerId = providerIds[provider] ?? provider
  let found: ModelInfo | undefined
  try {
    // Only its matching is used. With no usage its arithmetic (floats; throws on odd counts) has nothing to do.
    found = calcPrice({}, model, { providerId })?.model
  } catch {
    found = undefined
  }
  return found === undefined || isOtherVersion(model, found.id) ? null : { id: found.id, blocks: blocksOf(found) }
}
