import { isOriginOf, type Provider } from '../../core/providers/registry.js'
import type { Call, Target } from '../call.js'

/** Headers in which the key of a provider comes, in lower case. */
export const credentialNames: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

/** What a caller gives by `Weir-<Provider>-Key`, under its name or another one it has; `null` = none. */
export const keyGiven = ({ providerKeys }: Pick<Call, 'providerKeys'>, { name, aliases }: Provider): string | null => {
  if (providerKeys.size === 0) return null
  const found = providerKeys.get(name)
  if (found !== undefined) return found
  for (const alias of aliases) {
    const other = providerKeys.get(alias)
    if (other !== undefined) return other
  }
  return null
}

const nothing = /^\s*(?:Bearer)?\s*$/i
const keyInPath = /[?&](?:key|api_key|access_token)=[^&]/

/**
 * Whether a caller put a key where a provider's key goes. A bearer without a key counts for none.
 *
 * @param path As it came, with its query.
 */
export const bringsCredential = ({ clientKey, headers }: Pick<Call, 'clientKey' | 'headers'>, path: string): boolean => {
  if (clientKey !== null && clientKey.length > 'Bearer'.length) return true
  for (let i = 0; i < headers.length; i += 2)
    if (credentialNames.has((headers[i] as string).toLowerCase()) && !nothing.test(headers[i + 1] as string)) return true
  return keyInPath.test(path)
}

/** The provider's key of weir.yaml, where this caller may use it and the target is at the provider's own origin; `null` = none. */
export const keyConfigured = ({ caller }: Pick<Call, 'caller'>, { provider, origin, byCaller }: Target): string | null =>
  provider.key !== null && caller.trusted && byCaller !== true && isOriginOf(provider, origin) ? provider.key : null

/** Whether a call would come to its own target without any key, and be let in by nobody. */
export const lacksCredential = (call: Call, target: Target): boolean =>
  target.provider.needsKey &&
  target.byCaller !== true &&
  !bringsCredential(call, target.path) &&
  keyGiven(call, target.provider) === null &&
  keyConfigured(call, target) === null

/** A key as a header, in the form in which its provider takes it. */
export const bearing = ({ provider, route: { family } }: Target, key: string): readonly [name: string, value: string] => {
  const isOpenAi = family === 'openai-chat' || family === 'openai-responses'
  const name = isOpenAi
    ? provider.keyHeader === 'api-key'
      ? 'api-key'
      : 'authorization'
    : (provider.keyHeader ?? 'authorization')
  return name === 'authorization' ? [name, `Bearer ${key}`] : [name, key]
}

/** As it is written in a header's name: `Weir-Azure-Ai-Key`. */
export const keyHeaderOf = ({ name }: Provider): string =>
  `Weir-${name.replaceAll(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())}-Key`
