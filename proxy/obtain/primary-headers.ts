import type { Call, Target } from '../call.js'
import { bearing, bringsCredential, credentialNames, keyConfigured, keyGiven } from './credential.js'

/** The key that takes the place of whatever the caller sent as one; `null` = that stays. */
const keyFor = (call: Call, target: Target): string | null => {
  const given = keyGiven(call, target.provider)
  if (given !== null || target.provider.key === null) return given
  return bringsCredential(call, target.path) ? null : keyConfigured(call, target)
}

/**
 * The headers for the target a call itself leads to (headers.md §2.4): a key given for it by `Weir-<Provider>-Key` takes the place of every
 * other; else the caller's own stay; else the key of weir.yaml, if the caller may use it.
 */
export const headersFor = (call: Call, target: Target): readonly string[] => {
  const key = keyFor(call, target)
  if (key === null) return call.headers
  const headers: string[] = []
  for (let i = 0; i < call.headers.length; i += 2)
    if (!credentialNames.has((call.headers[i] as string).toLowerCase()))
      headers.push(call.headers[i] as string, call.headers[i + 1] as string)
  headers.push(...bearing(target, key))
  return headers
}
