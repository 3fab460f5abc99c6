import { WeirError } from '../../core/errors.js'
import { matchesPattern } from '../../core/name-pattern.js'
import type { Provider } from '../../core/providers/registry.js'
import type { Call } from '../call.js'
import type { Allowed } from '../identify/caller.js'
import { shown } from './named-target.js'

/** What a call wants of one provider. */
export interface Wanted {
  readonly provider: Provider
  /** As the provider is sent it; `null` = that cannot be told. */
  readonly model: string | null
  /** `@name` of a target whose model weir.yaml fixes; `null` = none. */
  readonly alias: string | null
}

const namesProvider = (listed: readonly string[], { name, aliases }: Provider): boolean =>
  listed.includes(name) || aliases.some((alias) => listed.includes(alias))

/** Forms in which the same model can be asked for. A name the caller is free to choose would open what it is held to. */
const formsOf = ({ provider: { name }, model, alias }: Wanted): readonly string[] => [
  ...(model === null ? [] : [model, `${name}/${model}`, `${model}/${name}`]),
  ...(alias === null ? [] : [alias]),
]

const listOf = (names: readonly string[]): string => names.slice(0, 16).join(', ')

/** Why a Weir key may not go there; `null` = it may. */
export const denialOf = (allowed: Allowed, wanted: Wanted): string | null => {
  const { providers, models } = allowed
  const { provider, model } = wanted
  if (providers !== null && !namesProvider(providers, provider))
    return `may not call ${provider.name}; its providers are ${listOf(providers)}.`
  if (models === null) return null
  const forms = formsOf(wanted)
  if (models.some((pattern) => forms.some((form) => matchesPattern(pattern, form)))) return null
  return model === null
    ? `may use only some models (${listOf(models)}), and which one this call asks for cannot be read from it.`
    : `may not use the model ${shown(model)}; its models are ${listOf(models)}.`
}

/** @param why `denialOf` */
export const deniedBecause = ({ caller }: Call, why: string): WeirError =>
  new WeirError('policy_denied', `The key ${caller.keyId === '' ? 'of this call' : `"${caller.keyId}"`} ${why}`)

const check = (call: Call, allowed: Allowed, wanted: Wanted): void => {
  const why = denialOf(allowed, wanted)
  if (why !== null) throw deniedBecause(call, why)
}

/** @throws WeirError `policy_denied` (403): the call's Weir key may not be used for it. */
export const checkAllowed = (call: Call, wanted: Wanted): void => {
  const { allowed } = call.caller
  if (allowed !== null) check(call, allowed, wanted)
}

/**
 * The same for what asks for no model, or is relayed without being read.
 *
 * @throws WeirError `policy_denied`
 */
export const checkProviderAllowed = (call: Call, provider: Provider): void => {
  const { allowed } = call.caller
  if (allowed !== null) check(call, { ...allowed, models: null }, { provider, model: null, alias: null })
}
