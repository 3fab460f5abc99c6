/** Tokens and their list price in USD per million, as `[tokens, '0.25']`. */
export type Priced = readonly [tokens: number, perMillion: string]

/** What they cost together, exact, as ClickHouse prints a decimal: no trailing zeros. */
export const usd = (...lines: readonly Priced[]): string => {
  // A price per million in USD has at most six decimals here, so a token costs a whole number of pico-USD.
  const pico = lines.reduce(
    (sum, [tokens, perMillion]) => sum + BigInt(tokens) * BigInt(Math.round(Number(perMillion) * 1e6)),
    0n,
  )
  const digits = pico.toString().padStart(13, '0')
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, '')
}

/** The fake provider's one rule: four bytes of text are a token, the last one may be shorter. */
export const tokens = (...texts: readonly string[]): number =>
  Math.ceil(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 4)

/** List prices in USD per million tokens (openai.com/api/pricing, anthropic.com/pricing, ai.google.dev/pricing). */
export const list = {
  'gpt-5-mini': { input: '0.25', cached: '0.025', output: '2' },
  'gpt-5-nano': { input: '0.05', cached: '0.005', output: '0.4' },
  'text-embedding-3-small': { input: '0.02' },
  'claude-haiku-4-5': { input: '1', written: '1.25', written1h: '2', cached: '0.10', output: '5' },
  'gemini-2.5-flash': { input: '0.30', output: '2.50' },
} as const
