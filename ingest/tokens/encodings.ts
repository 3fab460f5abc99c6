import type { EncodingName } from './encoding-of.js'

/** Counts the tokens of a text. Special tokens (`<|endoftext|>`) are text like any other. */
export type CountText = (text: string) => number

/** Merges that are remembered: words that are no token of their own come again. Runs of 2,000 characters are in here too. */
const mergesKept = 1000
const none = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() }

const loaders: Readonly<Record<EncodingName, () => Promise<CountText>>> = {
  async o200k_base() {
    const { countTokens, setMergeCacheSize } = await import('gpt-tokenizer/encoding/o200k_base')
    setMergeCacheSize(mergesKept)
    return (text) => countTokens(text, none)
  },
  async cl100k_base() {
    const { countTokens, setMergeCacheSize } = await import('gpt-tokenizer/encoding/cl100k_base')
    setMergeCacheSize(mergesKept)
    return (text) => countTokens(text, none)
  },
  async claude() {
    const { Tokenizer, models } = await import('ai-tokenizer')
    const tokenizer = new Tokenizer(await import('ai-tokenizer/encoding/claude'), {}, mergesKept)
    // The vocabulary is that of Claude 2; what newer models make more of a text was measured by the library's author.
    const { contentMultiplier } = models['anthropic/claude-sonnet-4.5'].tokens
    // `all` lets the whole text through as ordinary text.
    return (text) => tokenizer.encode(text, 'all').length * contentMultiplier
  },
}

const loaded = new Map<EncodingName, Promise<CountText>>()

/** Loads a vocabulary at its first use: each holds 20 to 40 MB. */
export const loadEncoding = (name: EncodingName): Promise<CountText> => {
  const known = loaded.get(name) ?? loaders[name]()
  loaded.set(name, known)
  return known
}
