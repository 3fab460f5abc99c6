import { WeirError } from '../../core/errors.js'
import type { Provider } from '../../core/providers/registry.js'
import type { Call } from '../call.js'

const keyPrefixes: readonly (readonly [string, string])[] = [
  ['sk-ant-', 'anthropic'],
  ['sk-or-', 'openrouter'],
  ['sk-proj-', 'openai'],
  ['gsk_', 'groq'],
  ['xai-', 'xai'],
  ['pplx-', 'perplexity'],
  ['AIza', 'gemini'],
]

/** @throws WeirError `credential_mismatch` when the key is known to be of somebody else (headers.md §2.4). */
export const checkCredential = (call: Call, provider: Provider): void => {
  const { clientKey } = call
  if (clientKey === null || call.providerKeys.has(provider.name)) return
  const named = keyPrefixes.find(([prefix]) => clientKey.startsWith(prefix))?.[1]
  if (named !== undefined && named !== provider.name)
    throw new WeirError(
      'credential_mismatch',
      `The key is one of ${named}, but the model is served by ${provider.name}: it was not sent. Give Weir-${provider.name[0]?.toUpperCase() ?? ''}${provider.name.slice(1)}-Key.`,
      { param: 'Authorization' },
    )
}
