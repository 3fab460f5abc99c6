import { WeirError } from '../../core/errors.js'
import type { Provider } from '../../core/providers/registry.js'
import type { Call } from '../call.js'
import { keyGiven, keyHeaderOf } from '../obtain/credential.js'

const keyPrefixes: readonly (readonly [string, string])[] = [
  ['sk-ant-', 'anthropic'],
  ['sk-or-', 'openrouter'],
  ['sk-proj-', 'openai'],
  ['gsk_', 'groq'],
  ['xai-', 'xai'],
  ['pplx-', 'perplexity'],
  ['AIza', 'gemini'],
]

const ownerOf = (key: string): string | undefined => keyPrefixes.find(([prefix]) => key.startsWith(prefix))?.[1]

/** Whether the key a caller sent is known to be one of another provider. */
export const isMismatch = ({ clientKey }: Pick<Call, 'clientKey'>, provider: Provider): boolean => {
  const owner = clientKey === null ? undefined : ownerOf(clientKey)
  return owner !== undefined && owner !== provider.name
}

/** @throws WeirError `credential_mismatch` when the key is known to be of somebody else (headers.md §2.4). */
export const checkCredential = (call: Call, provider: Provider): void => {
  if (!isMismatch(call, provider) || keyGiven(call, provider) !== null) return
  throw new WeirError(
    'credential_mismatch',
    `The key is one of ${ownerOf(call.clientKey ?? '') ?? 'another provider'}, but the model is served by ${provider.name}: it was not sent. Give ${keyHeaderOf(provider)}.`,
    { param: 'Authorization' },
  )
}
