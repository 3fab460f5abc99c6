import type { Fake } from './faults.js'
import { amount } from './faults.js'

/** The one rule of the fake provider: four bytes of UTF-8 are a token, the last one may be shorter. */
export const tokensOf = (bytes: number): number => Math.ceil(bytes / 4)

const textKeys = new Set([
  'content',
  'text',
  'input',
  'instructions',
  'system',
  'prompt',
  'arguments',
  'output',
  'thinking',
  'parts',
])

/** Bytes of all prompt text below `value`: strings under the keys that carry text, at any depth. Ids, names and roles do not count. */
export const textBytes = (value: unknown, counts = false): number => {
  if (typeof value === 'string') return counts ? Buffer.byteLength(value) : 0
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + textBytes(item, counts), 0)
  if (value === null || typeof value !== 'object') return 0
  return Object.entries(value).reduce((sum, [key, item]) => sum + textBytes(item, textKeys.has(key)), 0)
}

/** Tokens of one answer. `input` and `output` are all of them; the rest are parts. */
export interface Tokens {
  readonly input: number
  readonly output: number
  readonly cached: number
  readonly written5m: number
  readonly written1h: number
  readonly reasoning: number
}

/**
 * @param counted What the rule gives; `x-fake` wins, field by field, but one of the cache's figures in it is all of them.
 */
export const tokensFor = (fake: Fake, counted: Partial<Tokens> & { readonly input: number; readonly text: number }): Tokens => {
  const reasoning = amount(fake, 'reasoning') ?? counted.reasoning ?? 0
  const asked = ['cached', 'written', 'written-1h'].some((key) => fake.has(key))
  const cached = amount(fake, 'cached') ?? (asked ? 0 : (counted.cached ?? 0))
  const written1h = amount(fake, 'written-1h') ?? (asked ? 0 : (counted.written1h ?? 0))
  const written5m = amount(fake, 'written') ?? (asked ? 0 : (counted.written5m ?? 0))
  return {
    input: Math.max(amount(fake, 'input') ?? counted.input, cached + written5m + written1h),
    output: Math.max(amount(fake, 'output') ?? tokensOf(counted.text) + reasoning, reasoning),
    cached,
    written5m,
    written1h,
    reasoning,
  }
}
