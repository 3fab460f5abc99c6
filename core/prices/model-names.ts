import { bedrockModel } from '../providers/bedrock/model.js'

/** A list of prices in which a model may stand. */
export interface Listing {
  /** Whose list it is. */
  readonly provider: string
  /** Names the model may have in it, the closest first; lower case. */
  readonly names: readonly string[]
  /** A gateway takes what the maker of the model takes, as far as is known. */
  readonly assumed: boolean
}

/** All that the name of a model tells of its price. */
export interface NamedModel {
  /** In the order they are to be looked through. */
  readonly listings: readonly Listing[]
  /** Told by the name: the geography of a Bedrock profile. */
  readonly region: string | null
  /** The name itself says that its tokens cost nothing. */
  readonly free: boolean
}

const afterModels = (model: string): string => model.replace(/^.*\/models\//, '').replace(/^models\//, '')
const afterAuthor = (model: string): string => model.slice(model.indexOf('/') + 1)

/** Routes of OpenRouter and of Hugging Face, which change who serves and not the name in the list. */
const routes = /:(?:nitro|floor|online|exacto)$/

/** Providers by what Vercel and Hugging Face call them. */
const makers: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'gemini',
  xai: 'xai',
  mistral: 'mistral',
  deepseek: 'deepseek',
  cohere: 'cohere',
  perplexity: 'perplexity',
  moonshotai: 'moonshot',
  zai: 'zai',
  voyage: 'voyage',
}
const hosts: Readonly<Record<string, string>> = {
  groq: 'groq',
  cerebras: 'cerebras',
  cohere: 'cohere',
  together: 'together',
  'fireworks-ai': 'fireworks',
  novita: 'novita',
  nebius: 'nebius',
  hyperbolic: 'hyperbolic',
  deepinfra: 'deepinfra',
}

const named = (provider: string, ...names: readonly string[]): Listing => ({
  provider,
  names: [...new Set(names)],
  assumed: false,
})
const asAt = (provider: string | undefined, ...names: readonly string[]): readonly Listing[] =>
  provider === undefined ? [] : [{ ...named(provider, ...names), assumed: true }]

const listingsOf = (provider: string, model: string): readonly Listing[] => {
  switch (provider) {
    case 'bedrock': {
      const { model: id, region } = bedrockModel(model)
      // A resource of the account's own does not say its model: an override may.
      if (id === null) return [named('bedrock', model)]
      // How much context it may have, `:200k`, does not change its price.
      const bare = id.replace(/:\d+k$/, '')
      // A profile of one geography costs what the region alone does; `global.` has prices of its own.
      return [
        named(
          'bedrock',
          region === null ? bare : `${region}.${bare}`,
          ...(region === 'global' ? [] : [`regional.${bare}`]),
          bare,
        ),
      ]
    }
    case 'vertex': {
      const name = afterModels(model)
      const dateless = name.replace(/@.*$/, '')
      return [named('vertex', name, dateless, afterAuthor(dateless))]
    }
    case 'azure':
      return [named('azure', model), named('azure-ai', model)]
    case 'azure-ai':
      return [named('azure-ai', model), named('azure', model)]
    case 'openrouter':
      return [named('openrouter', model, model.replace(routes, ''))]
    case 'vercel':
      return [named('vercel', model), ...asAt(makers[model.slice(0, Math.max(0, model.indexOf('/')))], afterAuthor(model))]
    case 'hf': {
      const [name = model, host = ''] = model.split(':')
      return [named('hf', model, name), named(`huggingface_${host}`, name), ...asAt(hosts[host], name)]
    }
    default:
      return [named(provider, model, afterModels(model))]
  }
}

/** What the name of a model, as a provider spells it, tells of where its price stands. */
export const nameModel = (provider: string, model: string): NamedModel => {
  const name = model.trim().toLowerCase()
  return {
    listings: listingsOf(provider, name),
    region: provider === 'bedrock' ? bedrockModel(name).region : null,
    free: provider === 'openrouter' && name.endsWith(':free'),
  }
}

const escapedOrArn = /%|^arn:/i

/** The name to look up of a call: the model that answered, else the one that was asked for. Empty = neither is known. */
export const pricedModel = (provider: string, requestModel: string | null, responseModel: string | null): string => {
  // Hugging Face answers without the host, which decides the price.
  if (provider === 'hf' && requestModel?.includes(':') === true) return requestModel
  // What a model on Bedrock calls itself lacks the geography, which decides the price; an id of the account's own tells even less.
  if (
    provider === 'bedrock' &&
    requestModel !== null &&
    (!escapedOrArn.test(requestModel) || bedrockModel(requestModel).model !== null)
  )
    return requestModel
  return responseModel ?? requestModel ?? ''
}

const suffix = /(?:-\d{8}|-\d{4}-\d{2}-\d{2}|-\d{4}|-\d{3}|-latest|-v\d+(?::\d+)?|@\d{8})$/

/** The name without its date or version: what holds for `gpt-5` holds for `gpt-5-2025-08-07`. */
export const withoutSuffix = (model: string): string => model.replace(suffix, '')

/** `gpt-5*`: `*` stands for any text, none as well. Both in lower case. */
export const matchesPattern = (pattern: string, model: string): boolean => {
  const [head = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === model
  if (!model.startsWith(head)) return false
  let at = head.length
  const last = rest.pop() ?? ''
  for (const part of rest) {
    const found = model.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return model.length - last.length >= at && model.endsWith(last)
}
