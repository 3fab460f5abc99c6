import { nearest } from '../../core/nearest.js'
import { WeirError } from '../../core/errors.js'
import { namedTarget, shown, type Named } from './named-target.js'
import type { Rules } from './rules.js'

/** What the `model` of a unified call asks for. */
export interface ModelList {
  /** At least one, the first of them with a model. */
  readonly targets: readonly (Named & { readonly model: string })[]
  /** Names of providers that the call may not go to. */
  readonly excluded: ReadonlySet<string>
}

const mostEntries = 8

const refuse = (what: string): never => {
  throw new WeirError('unknown_model', `model: ${what}`, { param: 'model' })
}

const excludedBy = (name: string, { providers }: Pick<Rules, 'providers'>): string => {
  const provider = providers.get(name)
  if (provider !== undefined) return provider.name
  const near = nearest(name, [...providers.keys()])
  return refuse(
    `"!${shown(name)}" excludes a provider, and none is called so.${near === null ? '' : ` Did you mean "!${near}"?`}`,
  )
}

/**
 * Reads the list of models on the unified path, as `anthropic/claude-sonnet-4-6, @azure-eu, gpt-5, !groq` (headers.md §2.3). A target of
 * weir.yaml that names no model gets that of the first entry.
 *
 * @throws WeirError `unknown_model`
 */
export const readModelList = (text: string, rules: Pick<Rules, 'config' | 'providers'>): ModelList => {
  const entries = text.split(',').map((entry) => entry.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
  if (entries.length > mostEntries) refuse(`${entries.length} entries are too many; accepted are ${mostEntries}.`)
  const excluded = new Set<string>()
  const named: Named[] = []
  for (const [i, entry] of entries.entries()) {
    if (entry === '') refuse(entries.length === 1 ? 'it is empty.' : `entry ${i + 1} of the list is empty.`)
    if (entry.startsWith('!')) excluded.add(excludedBy(entry.slice(1).trim(), rules))
    else {
      const found = namedTarget(entry, rules)
      named.push(typeof found === 'string' ? refuse(found) : found)
    }
  }
  const left = named.filter(({ provider }) => !excluded.has(provider.name))
  const [first] = left
  if (first === undefined)
    return refuse(named.length === 0 ? 'it names no model, and only excludes providers.' : 'every entry of the list is excluded.')
  const model = first.model ?? refuse(`the target "${first.alias ?? ''}" of weir.yaml names no model, so it cannot be the first.`)
  return { targets: left.map((each) => ({ ...each, model: each.model ?? model })), excluded }
}
