import { calcPrice, findProvider, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices'
import type { Unit } from './cost.js'
import { hoursOf, type Hours } from './hours.js'
import { picoOf, usdOf } from './money.js'
import { rateOf, type Rate } from './rate.js'

/** Version of the shipped base data; part of every `price_id`. */
export const baseVersion = '0.1.8'

/** Prices of one model while they hold. */
export interface Block {
  /** Milliseconds; -Infinity = since ever. */
  readonly from: number
  readonly hours: Hours | null
  readonly hoursText: string | null
  readonly rates: readonly Rate[]
}

export interface BaseModel {
  readonly id: string
  /** In the order of the data: the last that holds counts, with all its prices and none of the others'. */
  readonly blocks: readonly Block[]
}

const perMillion = 1_000_000
const perThousand = 1000

const priceKeys: Readonly<Record<string, readonly [Unit, number]>> = {
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
  input_audio_hours: ['audio_second', 3600],
  input_document_kpages: ['page', perThousand],
}

const rate = (unit: Unit, price: number, per: number, ctxFrom: number): Rate =>
  // The data holds prices as JavaScript numbers; their shortest text is the figure that was typed in.
  rateOf({ unit, usdText: usdOf(picoOf(String(price)) ?? 0n), per, ctxFrom, origin: 'base' })

const ratesOf = (prices: ModelPrice): readonly Rate[] =>
  Object.entries(prices).flatMap(([key, price]) => {
    const known = priceKeys[key]
    if (known === undefined || price === undefined) return []
    const [unit, per] = known
    if (typeof price === 'number') return [rate(unit, price, per, 0)]
    // A tier of the data begins above its start.
    return [rate(unit, price.base, per, 0), ...price.tiers.map((tier) => rate(unit, tier.price, per, tier.start + 1))]
  })

const always = { from: -Infinity, hours: null, hoursText: null }

const blocksOf = (model: ModelInfo): readonly Block[] => {
  if (!Array.isArray(model.prices)) return [{ ...always, rates: ratesOf(model.prices) }]
  let since = -Infinity
  return model.prices.map(({ constraint, prices }): Block => {
    const rates = ratesOf(prices)
    if (constraint === undefined) return { ...always, rates }
    if (constraint.type === 'start_date') {
      since = Date.parse(constraint.start_date)
      return { ...always, from: since, rates }
    }
    // A daily window belongs to the date before it: the data cannot say both, and on its own would re-price the time before
    // that date (DeepSeek V4 before 2026-08-17 at 02:00).
    const hoursText = `${constraint.start_time.replace(/Z$/, '')}-${constraint.end_time.replace(/Z$/, '')}`
    return { from: since, hours: hoursOf(hoursText), hoursText, rates }
  })
}

const providerIds: Readonly<Record<string, string>> = {
  gemini: 'google',
  vertex: 'google',
  bedrock: 'aws',
  xai: 'x-ai',
  moonshot: 'moonshotai',
  voyage: 'voyageai',
}

/** What the base calls a provider of ours. */
const idOf = (provider: string): string => providerIds[provider] ?? provider

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
  let found: ModelInfo | undefined
  try {
    // Only its matching is used. With no usage its arithmetic (floats; throws on odd counts) has nothing to do.
    found = calcPrice({}, model, { providerId: idOf(provider) })?.model
  } catch {
    found = undefined
  }
  return found === undefined || isOtherVersion(model, found.id) ? null : { id: found.id, blocks: blocksOf(found) }
}

/** All that the base knows of a provider, under its own name: what it borrows from other providers stands with those. */
export const baseModels = (provider: string): readonly BaseModel[] =>
  (findProvider({ providerId: idOf(provider) })?.models ?? []).map((model) => ({ id: model.id, blocks: blocksOf(model) }))
