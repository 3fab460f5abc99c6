import type { Raw } from '../exchange.js'
import { noUsage, type Tokens, type Usage } from '../usage.js'
import { isObject, type JsonObject } from './json-text.js'

/** The largest count a row can hold; more is no count of tokens. */
const maxCount = 4_294_967_295

/** Collects what was odd while one call's usage is read; each word once. */
export type Notes = Set<string>

/** A count as told: an integer >= 0, or `null` where there is none. Negative, fractional and endless figures leave a note. */
export const count = (value: unknown, notes: Notes): Tokens => {
  if (value === undefined || value === null) return null
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    notes.add('malformed')
    return null
  }
  if (value > maxCount) {
    notes.add('clamped_range')
    return maxCount
  }
  if (!Number.isInteger(value)) notes.add('malformed')
  return Math.round(value)
}

/** The first of several spellings that tells a count. */
export const firstCount = (notes: Notes, ...values: readonly unknown[]): Tokens => {
  for (const value of values) {
    const found = count(value, notes)
    if (found !== null) return found
  }
  return null
}

/** Sum of what is known; `null` when nothing is. */
export const sumOf = (...values: readonly Tokens[]): Tokens => {
  let sum: Tokens = null
  for (const value of values) if (value !== null) sum = Math.min((sum ?? 0) + value, maxCount)
  return sum
}

/** The JSON objects by source; text that is none leaves a note. */
export const objectsOf = (raw: readonly Raw[], notes: Notes): ReadonlyMap<string, JsonObject> => {
  const found = new Map<string, JsonObject>()
  for (const { source, json } of raw) {
    try {
      const value: unknown = JSON.parse(json)
      if (isObject(value)) found.set(source, value)
      else if (typeof value !== 'string') notes.add('malformed')
    } catch {
      notes.add('malformed')
    }
  }
  return found
}

/** A source that holds one string, such as the service tier. */
export const wordOf = (raw: readonly Raw[], source: string): string | null => {
  const json = raw.find((entry) => entry.source === source)?.json
  if (json === undefined) return null
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'string' && value !== '' && value.length <= 64 ? value : null
  } catch {
    return null
  }
}

/** Adds a counted thing to `extra`, unless it is untold or nothing. Only seconds have fractions. */
export const counted = (extra: Record<string, number>, name: string, value: unknown): void => {
  if (typeof value !== 'number' || !Number.isFinite(value)) return
  const known = name.endsWith('_seconds') ? value : Math.round(value)
  if (known > 0) extra[name] = Math.min(known, maxCount)
}

type Figures = Partial<Omit<Usage, 'notes' | 'usageSource' | 'reason'>>

const tokenFields = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'reasoningTokens',
  'inputAudioTokens',
  'outputAudioTokens',
  'inputImageTokens',
  'outputImageTokens',
  'cacheReadAudioTokens',
  'cacheReadImageTokens',
] as const

/** A usage read from the wire, its parts made to fit into their wholes (wire.md §3). Without any figure its source is `none`. */
export const wireUsage = (figures: Figures, notes: Notes): Usage => {
  const usage = { ...noUsage('not_on_wire'), ...figures }
  const told =
    tokenFields.some((field) => usage[field] !== null) || Object.keys(usage.extra).length > 0 || usage.providerCostUsd !== null
  if (!told) return { ...usage, notes: [...notes] }
  const fit = (value: Tokens, limit: Tokens, note: string): Tokens => {
    if (value === null || limit === null || value <= limit) return value
    notes.add(note)
    return limit
  }
  const input = usage.inputTokens
  const output = usage.outputTokens
  const cacheWriteTokens = fit(usage.cacheWriteTokens, input, 'clamped_cache_write')
  const roomForReads = input === null ? null : input - (cacheWriteTokens ?? 0)
  const cacheReadTokens = fit(usage.cacheReadTokens, roomForReads, 'clamped_cache_read')
  let { cacheWrite5mTokens, cacheWrite1hTokens } = usage
  if ((cacheWrite5mTokens ?? 0) + (cacheWrite1hTokens ?? 0) > (cacheWriteTokens ?? 0)) {
    notes.add('ttl_split_mismatch')
    cacheWrite5mTokens = cacheWrite1hTokens = null
  }
  const inputAudioTokens = fit(usage.inputAudioTokens, input, 'clamped_audio')
  const outputAudioTokens = fit(usage.outputAudioTokens, output, 'clamped_audio')
  const inputImageTokens = fit(usage.inputImageTokens, input === null ? null : input - (inputAudioTokens ?? 0), 'clamped_image')
  const outputImageTokens = fit(
    usage.outputImageTokens,
    output === null ? null : output - (outputAudioTokens ?? 0),
    'clamped_image',
  )
  return {
    ...usage,
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrite5mTokens,
    cacheWrite1hTokens,
    inputAudioTokens,
    outputAudioTokens,
    inputImageTokens,
    outputImageTokens,
    cacheReadAudioTokens: fit(
      fit(usage.cacheReadAudioTokens, inputAudioTokens ?? 0, 'clamped_audio'),
      cacheReadTokens ?? 0,
      'clamped_audio',
    ),
    cacheReadImageTokens: fit(
      fit(usage.cacheReadImageTokens, inputImageTokens ?? 0, 'clamped_image'),
      cacheReadTokens ?? 0,
      'clamped_image',
    ),
    reasoningTokens: fit(usage.reasoningTokens, output, 'clamped_reasoning'),
    usageSource: 'wire',
    reason: null,
    notes: [...notes],
  }
}
