/** List prices in USD per million tokens, taken from the providers' pages on 2026-11-22: a second opinion to Weir's price book. */
interface Price {
  readonly input: number
  readonly output: number
  readonly cacheRead?: number
  readonly cacheWrite5m?: number
}

const list: Readonly<Record<string, Price>> = {
  'gpt-5': { input: 1.25, output: 10, cacheRead: 0.125 },
  'gpt-5-mini': { input: 0.25, output: 2, cacheRead: 0.025 },
  'gpt-4.1-mini': { input: 0.4, output: 1.6, cacheRead: 0.1 },
  'text-embedding-3-small': { input: 0.02, output: 0 },
  'claude-sonnet-4-6': { input: 3, output: 15, cacheRead: 0.3, cacheWrite5m: 3.75 },
  'claude-haiku-4-5': { input: 1, output: 5, cacheRead: 0.1, cacheWrite5m: 1.25 },
  'gemini-2.5-flash': { input: 0.3, output: 2.5, cacheRead: 0.03 },
  'gemini-2.5-pro': { input: 1.25, output: 10, cacheRead: 0.125 },
}

export interface Quantities {
  /** All input, cached and written included. */
  readonly input: number
  readonly output: number
  readonly cached?: number
  readonly written?: number
}

/** One USD per million tokens is 10^6 pico-USD a token; prices have at most three decimals here, so this is exact. */
const picoPerToken = (usdPerMillion: number): bigint => BigInt(Math.round(usdPerMillion * 1000)) * 1000n

/** What a call should cost, in pico-USD (10^-12). */
export const expectedPico = (model: string, { input, output, cached = 0, written = 0 }: Quantities): bigint => {
  const price = list[model]
  if (price === undefined) throw new Error(`The demo knows no price of ${model}.`)
  return (
    BigInt(input - cached - written) * picoPerToken(price.input) +
    BigInt(cached) * picoPerToken(price.cacheRead ?? price.input) +
    BigInt(written) * picoPerToken(price.cacheWrite5m ?? price.input) +
    BigInt(output) * picoPerToken(price.output)
  )
}

/** Decimal text of an amount, without trailing zeros. */
export const usdText = (pico: bigint): string => {
  const digits = pico.toString().padStart(13, '0')
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, '')
}
