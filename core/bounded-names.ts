/** Stands for every name beyond the bound. */
export const otherName = '_other'

const longestName = 128

/** Names that callers choose do not all become labels: the first `most` keep theirs, the rest, and endless ones, share `_other`. */
export const boundedNames = (most: number, longest = longestName): ((name: string) => string) => {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (name.length > longest || known.size >= most) return otherName
    known.add(name)
    return name
  }
}

/**
 * The same for a provider with a model: both are chosen by callers, and each with each would be many. At most 50 providers, 200 models
 * and 400 pairs keep their names; of a pair beyond, the model becomes `_other`.
 */
export const boundedPairs = (): ((provider: string, model: string) => { readonly provider: string; readonly model: string }) => {
  const providers = boundedNames(50)
  const models = boundedNames(200)
  const pairs = boundedNames(400, 2 * longestName + 1)
  return (provider, model) => {
    const [at, of] = [providers(provider), models(model)]
    return { provider: at, model: pairs(`${at}\n${of}`) === otherName ? otherName : of }
  }
}
