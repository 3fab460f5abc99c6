import type { TargetConfig } from '../../core/config/target.js'
import { nearest } from '../../core/nearest.js'
import type { Provider } from '../../core/providers/registry.js'
import { resolveModel } from '../../core/providers/routes.js'
import type { Rules } from './rules.js'

/** Whom a name stands for. */
export interface Named {
  readonly provider: Provider
  /** As the provider calls it; `null` = the one that was asked for. */
  readonly model: string | null
  /** `@name`, where it is a target of weir.yaml. */
  readonly alias: string | null
  readonly config: TargetConfig | null
}

/** Text of a caller, fit for a message. */
export const shown = (text: string): string => text.replaceAll(/[^ -~]/g, '?').slice(0, 128)

const ofConfig = (name: string, { config, providers }: Pick<Rules, 'config' | 'providers'>): Named | string => {
  const { targets } = config
  const found = Object.hasOwn(targets, name) ? targets[name] : undefined
  const provider = found === undefined ? undefined : providers.get(found.provider)
  if (found !== undefined && provider !== undefined)
    return { provider, model: found.model ?? null, alias: `@${name}`, config: found }
  const near = nearest(name, Object.keys(targets))
  return `weir.yaml has no target "${shown(`@${name}`)}".${near === null ? '' : ` Did you mean "@${near}"?`}`
}

/**
 * Whom `@target`, `provider/model`, `model/provider` or a model's bare name stands for (headers.md §2.3).
 *
 * @returns What is wrong, in a sentence, where it stands for nobody: never a guess.
 */
export const namedTarget = (name: string, rules: Pick<Rules, 'config' | 'providers'>): Named | string => {
  if (name.startsWith('@')) return ofConfig(name.slice(1), rules)
  const found = resolveModel(name, rules.providers, rules.config.models)
  return found === null
    ? `no provider is known for "${shown(name)}". Write provider/model, as in groq/llama-3.3-70b, or add it to models in weir.yaml.`
    : { ...found, alias: null, config: null }
}
