import type { Call, Target } from '../call.js'

const credentialNames = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

/** The headers for a target: a key given for it by `Weir-<Provider>-Key` takes the place of every other. */
export const headersFor = (call: Call, target: Target): readonly string[] => {
  const key = call.providerKeys.get(target.provider.name)
  if (key === undefined) return call.headers
  const headers: string[] = []
  for (let i = 0; i < call.headers.length; i += 2)
    if (!credentialNames.has((call.headers[i] as string).toLowerCase()))
      headers.push(call.headers[i] as string, call.headers[i + 1] as string)
  const { family } = target.route
  const name =
    family === 'openai-chat' || family === 'openai-responses'
      ? target.provider.keyHeader === 'api-key'
        ? 'api-key'
        : 'authorization'
      : (target.provider.keyHeader ?? 'authorization')
  headers.push(name, name === 'authorization' ? `Bearer ${key}` : key)
  return headers
}
