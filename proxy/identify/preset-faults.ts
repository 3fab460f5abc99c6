import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { classifyHeader, knownHeaderNames } from '../../core/headers.js'
import { nearest } from '../../core/nearest.js'
import { providersFrom } from '../../core/providers/registry.js'
import { namedTarget } from '../admit/named-target.js'
import { readOwnHeaders } from './identity.js'
import { asHeaderValue } from './presets.js'
import type { OwnHeader } from './read-headers.js'
import type { Steering } from './steering.js'

/** A header of weir.yaml that cannot hold, in a sentence for the operator. */
export interface PresetFault {
  /** Keys that lead to it. */
  readonly path: readonly string[]
  readonly message: string
}

// eslint-disable-next-line no-control-regex
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/

/** What is wrong with a name; `null` = nothing. */
const faultOfName = (name: string, isProvider: (name: string) => boolean): string | null => {
  const [, prefix, bare] = /^(weir|helicone)-(.+)$/i.exec(name) ?? []
  if (prefix !== undefined && bare !== undefined) return `names stand without their prefix here: write ${bare}.`
  const what = classifyHeader('weir', name.toLowerCase(), isProvider)
  if (what.kind === 'property' || what.kind === 'providerKey' || (what.kind === 'known' && what.header.perCall))
    return "it says who calls, or is one call's alone, and cannot stand here."
  if (what.kind === 'reserved') return 'it is reserved for a later version.'
  if (what.kind === 'known')
    return what.header.state === 'later' ? 'it has no effect in this version, so it cannot be relied on.' : null
  const near = nearest(name, knownHeaderNames)
  return `there is no such header.${near === null ? ' docs/headers.md lists them.' : ` Did you mean ${near}?`}`
}

/** What a reader says against a value; `null` = nothing. */
const faultOfValues = (headers: readonly OwnHeader[]): { readonly name: string; readonly message: string } | Steering => {
  try {
    return readOwnHeaders(headers, { strictHelicone: true, isProvider: () => false }).steering
  } catch (cause) {
    if (!(cause instanceof WeirError)) throw cause
    return { name: cause.param ?? '', message: cause.message }
  }
}

type Providers = ReturnType<typeof providersFrom>

const faultsOfTargets = ({ failover }: Steering, config: Config, providers: Providers): readonly string[] =>
  (failover?.fallback?.targets ?? []).flatMap(({ name }) => {
    const found = name === null || providers.has(name) ? null : namedTarget(name, { config, providers })
    return typeof found === 'string' ? [found] : []
  })

const faultsOf = (
  headers: Readonly<Record<string, string>>,
  at: readonly string[],
  config: Config,
  providers: Providers,
): readonly PresetFault[] => {
  const label = at.join('.')
  const faults: PresetFault[] = []
  const readable: OwnHeader[] = []
  const seen = new Map<string, string>()
  for (const [name, value] of Object.entries(headers)) {
    const fault = (message: string): void => void faults.push({ path: [...at, name], message: `${label}.${name}: ${message}` })
    const rest = name.toLowerCase()
    const wrong = faultOfName(name, (word) => providers.has(word))
    if (wrong !== null) {
      fault(wrong)
      continue
    }
    const twin = seen.get(rest)
    if (twin !== undefined) {
      fault(`it is the same header as ${twin}: case does not matter.`)
      continue
    }
    seen.set(rest, name)
    if (control.test(value)) {
      fault('control characters cannot stand in a header.')
      continue
    }
    const header: OwnHeader = { dialect: 'weir', rest, name: `${label}.${name}`, value: asHeaderValue(value) }
    const read = faultOfValues([header])
    if ('message' in read) faults.push({ path: [...at, name], message: read.message })
    else {
      readable.push(header)
      for (const message of faultsOfTargets(read, config, providers)) fault(message)
      if (rest === 'cache-scope' && !config.cache.shared && value.trim().toLowerCase() === 'tenant')
        fault('tenant needs cache.shared: true; every call would be refused.')
    }
  }
  if (faults.length > 0) return faults
  const all = faultOfValues(readable)
  return 'message' in all ? [{ path: [...at, all.name.slice(label.length + 1)], message: all.message }] : []
}

/**
 * Every name and value under `defaults` and `configs` that no call could be made with, found by the readers of the headers themselves.
 *
 * @throws Error of `providersFrom`.
 */
export const presetFaults = (config: Config): readonly PresetFault[] => {
  const providers = providersFrom(config)
  return [
    ...faultsOf(config.defaults, ['defaults'], config, providers),
    ...Object.entries(config.configs).flatMap(([name, headers]) => faultsOf(headers, ['configs', name], config, providers)),
  ]
}
