/** A vocabulary that text is cut into tokens with. `claude` is an approximation: Anthropic publishes none. */
export type EncodingName = 'o200k_base' | 'cl100k_base' | 'claude'

const older = /^(?:gpt-3\.5|gpt-35|gpt-4(?:-(?!o\b)|$)|text-embedding-(?:ada-002|3-)|davinci-002|babbage-002)/

/**
 * Which vocabulary comes nearest to a model's own. Models of other makers keep theirs to themselves: `o200k_base` is off by some per
 * cent for most of them (ai-tokenizer's table of accuracies), and the row says that it is an estimate.
 */
export const encodingOf = (model: string): EncodingName => {
  const name = model.toLowerCase()
  if (name.includes('claude')) return 'claude'
  const bare = name.slice(name.lastIndexOf('/') + 1).replace(/^ft:/, '')
  return older.test(bare) ? 'cl100k_base' : 'o200k_base'
}
