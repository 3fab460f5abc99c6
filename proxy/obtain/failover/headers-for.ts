import { hopByHop } from '../../../core/headers.js'
import { headersFor } from '../primary-headers.js'
import type { Call, Target } from '../../call.js'
import type { ChainTarget } from '../../chain.js'

const credentials = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])
/** What a caller's browser or AWS client adds of its own is nobody else's, either. */
const isSecret = (lower: string): boolean =>
  credentials.has(lower) || lower === 'cookie' || lower === 'x-amz-security-token' || lower.startsWith('aws-')

const openAis = new Set(['openai', 'azure', 'azure-ai'])
const googles = new Set(['gemini', 'vertex'])

/** Headers of one provider's dialect mean nothing to another, and may tell it who the caller is. */
const isForeign = (lower: string, { provider, route }: Target): boolean =>
  lower.startsWith('openai-')
    ? !openAis.has(provider.name)
    : lower.startsWith('anthropic-')
      ? route.family !== 'anthropic'
      : lower.startsWith('x-goog-') && !googles.has(provider.name)

/** What a target's own headers leave to the caller's, if they are silent. */
const keptBesideOwn = new Set(['content-type', 'content-encoding', 'accept', 'accept-encoding', 'user-agent'])
const neverSent = (lower: string): boolean =>
  hopByHop.has(lower) ||
  lower === 'host' ||
  lower === 'content-length' ||
  lower === 'expect' ||
  lower.startsWith('weir-') ||
  lower.startsWith('helicone-') ||
  lower.startsWith('proxy-')

const queryKey = /^(?:key|api_key|access_token|sig|x-amz-.*)=/i
/** The path without keys in its query. */
export const pathWithoutKeys = (path: string): string => {
  const cut = path.indexOf('?')
  if (cut < 0) return path
  const kept = path
    .slice(cut + 1)
    .split('&')
    .filter((part) => !queryKey.test(part))
  return kept.length === 0 ? path.slice(0, cut) : `${path.slice(0, cut)}?${kept.join('&')}`
}

const bearing = ({ provider, route: { family } }: Target, key: string): readonly [string, string] => {
  const isOpenAi = family === 'openai-chat' || family === 'openai-responses'
  const name = isOpenAi
    ? provider.keyHeader === 'api-key'
      ? 'api-key'
      : 'authorization'
    : (provider.keyHeader ?? 'authorization')
  return name === 'authorization' ? [name, `Bearer ${key}`] : [name, key]
}

/** What one target is sent beside the body. */
export interface TargetHead {
  /** Flat pairs. */
  readonly headers: readonly string[]
  readonly path: string
}

/**
 * Headers and path for a target. The caller's credential goes to its own target, and to others of the same provider and origin; nowhere
 * else (headers.md §2.4).
 *
 * @param own Where the call itself leads.
 * @returns `null` when nothing is there with which the target would let it in.
 */
export const headFor = (
  { isOwn, target, headers: ownHeaders, key: configured }: ChainTarget,
  call: Call,
  own: Target,
): TargetHead | null => {
  if (isOwn) return { headers: headersFor(call, target), path: target.path }
  const sameDoor = target.provider.name === own.provider.name && target.origin === own.origin
  const key = configured ?? call.providerKeys.get(target.provider.name) ?? null
  const callersKey = sameDoor && key === null
  const flat: string[] = []
  const named = new Set<string>()
  if (ownHeaders !== null)
    for (let i = 0; i < ownHeaders.length; i += 2) {
      const lower = (ownHeaders[i] as string).toLowerCase()
      if (neverSent(lower)) continue
      named.add(lower)
      flat.push(ownHeaders[i] as string, ownHeaders[i + 1] as string)
    }
  let admitted = [...credentials].some((name) => named.has(name))
  const bringsOwn = admitted
  for (let i = 0; i < call.headers.length; i += 2) {
    const name = call.headers[i] as string
    const lower = name.toLowerCase()
    if (named.has(lower)) continue
    if (isSecret(lower)) {
      if (!callersKey || bringsOwn || !credentials.has(lower)) continue
      admitted = true
    } else if (ownHeaders !== null ? !keptBesideOwn.has(lower) : isForeign(lower, target)) continue
    flat.push(name, call.headers[i + 1] as string)
  }
  if (key !== null && !bringsOwn) {
    flat.push(...bearing(target, key))
    admitted = true
  }
  const path = callersKey && !bringsOwn ? target.path : pathWithoutKeys(target.path)
  if (path !== pathWithoutKeys(path)) admitted = true
  return admitted || target.provider.keyHeader === null ? { headers: flat, path } : null
}

/** The credential of a request, whichever way it goes; empty when there is none. */
export const credentialIn = ({ headers, path }: TargetHead): string => {
  for (let i = 0; i < headers.length; i += 2)
    if (credentials.has((headers[i] as string).toLowerCase())) return headers[i + 1] as string
  return /[?&]key=([^&]*)/.exec(path)?.[1] ?? ''
}
