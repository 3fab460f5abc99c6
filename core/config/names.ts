import { nearest } from '../nearest.js'
import { builtInProviders, providerFault, providersFrom, type Provider } from '../providers/registry.js'
import type { TargetConfig } from './target.js'
import type { File } from './schema.js'

/** What is wrong with a weir.yaml, and where. */
export interface Fault {
  readonly steps: readonly (string | number)[]
  readonly message: string
}

const unknownProvider = (name: string, known: readonly string[]): string => {
  const near = nearest(name, known)
  return `no provider is called "${name}". ${near === null ? `Known: ${known.join(', ')}.` : `Did you mean "${near}"?`}`
}

const segmentFault = (
  provider: Provider,
  target: TargetConfig,
): { readonly at?: 'resource' | 'region'; readonly message: string } | null => {
  const { name, segment, origin } = provider
  const needed = origin.includes('{segment}') ? segment : null
  if (needed !== null && target[needed] === undefined)
    return { message: `${name} has no address without its ${needed}; add ${needed}: <${needed}>.` }
  const surplus = (['resource', 'region'] as const).find((each) => target[each] !== undefined && each !== needed)
  return surplus === undefined ? null : { at: surplus, message: `${name} takes no ${surplus}; leave it out.` }
}

/** Names in a weir.yaml that stand for nothing, or for what cannot be. */
export const nameFaults = ({ providers, models, targets, keys, defaultProvider }: File): readonly Fault[] => {
  const ofProviders = Object.entries(providers).flatMap(([name, change]): Fault[] => {
    const message = providerFault(name, change)
    return message === null ? [] : [{ steps: ['providers', name], message }]
  })
  if (ofProviders.length > 0) return ofProviders
  const all = providersFrom({ providers })
  const known = [...all.keys()]
  const faults: Fault[] = []
  const check = (name: string, steps: Fault['steps']): Provider | null => {
    const found = all.get(name)
    if (found === undefined) faults.push({ steps, message: unknownProvider(name, known) })
    return found ?? null
  }
  check(defaultProvider, ['defaultProvider'])
  for (const [name, change] of Object.entries(providers))
    if (builtInProviders.has(name) && change.family !== undefined)
      faults.push({ steps: ['providers', name, 'family'], message: 'is for own providers; prefixes tell of single paths.' })
  for (const [i, { provider }] of models.entries()) check(provider, ['models', i, 'provider'])
  for (const [i, { allow }] of keys.entries())
    for (const [j, provider] of (allow.providers ?? []).entries()) check(provider, ['keys', i, 'allow', 'providers', j])
  for (const [name, target] of Object.entries(targets)) {
    const provider = check(target.provider, ['targets', name, 'provider'])
    if (provider === null) continue
    const fault = segmentFault(provider, target)
    if (fault !== null)
      faults.push({ steps: ['targets', name, ...(fault.at === undefined ? [] : [fault.at])], message: fault.message })
  }
  return faults
}
