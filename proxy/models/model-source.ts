import type { Config } from '../../core/config.js'
import type { Family, Provider } from '../../core/providers/registry.js'
import { denialOf } from '../admit/allowed.js'
import { isMismatch } from '../admit/credential-mismatch.js'
import type { Call } from '../call.js'
import { bringsCredential, keyGiven } from '../obtain/credential.js'

/** Where a provider tells of its models. */
export interface Listing {
  /** With its query. */
  readonly path: string
  /** In whose form it takes its key there. */
  readonly family: Family
}

/** A provider that is asked for its models, and what it is let in with. */
export interface ModelSource {
  readonly provider: Provider
  readonly listing: Listing
  /** A key alone; `null` = it takes none, or the caller's headers hold one. */
  readonly key: string | null
  /** The caller's own, as it came. */
  readonly isCallers: boolean
}

/** @returns `null` where it has none that is known, or no address without a resource or region. */
export const listingOf = ({ name, origin, prefixes, roots, keyHeader }: Provider): Listing | null => {
  if (origin.includes('{segment}')) return null
  // Its OpenAI-shaped API has none.
  if (name === 'cohere') return { path: '/v1/models?page_size=1000', family: 'cohere' }
  const { anthropic, 'openai-chat': openAi } = roots
  if (anthropic !== undefined && (keyHeader === 'x-api-key' || openAi === undefined))
    return { path: `${anthropic}/models?limit=1000`, family: 'anthropic' }
  if (openAi !== undefined) return { path: `${openAi}/models`, family: 'openai-chat' }
  const gemini = prefixes.find(({ family }) => family === 'gemini')
  return gemini === undefined ? null : { path: `${gemini.path}models?pageSize=1000`, family: 'gemini' }
}

/** What lets somebody in at a provider: the key a caller gives for it, its own of weir.yaml, or nothing where weir.yaml says that it takes none. */
const keyFor = (call: Call, provider: Provider, config: Pick<Config, 'providers'>): string | null | undefined => {
  const given = keyGiven(call, provider)
  if (given !== null) return given
  if (!call.caller.trusted) return undefined
  if (provider.key !== null) return provider.key
  return provider.keyHeader === null && config.providers[provider.name] !== undefined ? null : undefined
}

/**
 * Who has models that a call could reach (headers.md §2.3).
 *
 * @returns Nobody where nothing but the caller's own key is there: the default provider's own list is then what is asked for.
 */
export const modelSources = (
  call: Call,
  { config, providers }: { readonly config: Pick<Config, 'providers' | 'targets'>; readonly providers: Iterable<Provider> },
): readonly ModelSource[] => {
  const sources: ModelSource[] = []
  let isConfigured = call.caller.trusted && Object.keys(config.targets).length > 0
  const { allowed } = call.caller
  for (const provider of new Set(providers)) {
    const listing = listingOf(provider)
    if (listing === null) continue
    const mayAsk = allowed === null || denialOf({ ...allowed, models: null }, { provider, model: null, alias: null }) === null
    if (!mayAsk) continue
    const key = keyFor(call, provider, config)
    const isCallers =
      provider === call.target?.provider && bringsCredential(call, call.target.path) && !isMismatch(call, provider)
    if (isCallers && keyGiven(call, provider) === null) sources.push({ provider, listing, key: null, isCallers })
    else if (key !== undefined) sources.push({ provider, listing, key, isCallers: false })
    if (key !== undefined) isConfigured = true
  }
  return isConfigured ? sources : []
}
