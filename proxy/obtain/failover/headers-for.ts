import { hopByHop } from '../../../core/headers.js'
import { bearing, bringsCredential, credentialNames, keyConfigured, keyGiven, lacksCredential } from '../credential.js'
import { headersFor } from '../primary-headers.js'
import type { Call, Target } from '../../call.js'
import type { ChainTarget } from '../../chain.js'

/** What a caller's browser or AWS client adds of its own is nobody else's, either. */
const isSecret = (lower: string): boolean =>
  credentialNames.has(lower) || lower === 'cookie' || lower === 'x-amz-security-token' || lower.startsWith('aws-')

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

/** What one target is sent beside the body. */
export interface TargetHead {
  /** Flat pairs. */
  readonly headers: readonly string[]
  readonly path: string
}

/** Flat pairs that take the place of a caller's, and their names in lower case. */
interface Own {
  readonly flat: string[]
  readonly named: Set<string>
  /** A credential is among them. */
  brings: boolean
}

/** The target's own headers: those of its entry, then those of weir.yaml that it does not name. Of credentials only one side's count. */
const ownOf = ({ headers, added }: ChainTarget): Own => {
  const own: Own = { flat: [], named: new Set(), brings: false }
  for (const from of [headers, added]) {
    if (from === null) continue
    const before = own.brings
    const names: string[] = []
    for (let i = 0; i < from.length; i += 2) {
      const lower = (from[i] as string).toLowerCase()
      const isCredential = credentialNames.has(lower)
      if (neverSent(lower) || own.named.has(lower) || (before && isCredential)) continue
      names.push(lower)
      own.flat.push(from[i] as string, from[i + 1] as string)
      if (isCredential) own.brings = true
    }
    for (const name of names) own.named.add(name)
  }
  return own
}

/**
 * Headers and path for a target (headers.md §2.4). It is let in with what its entry brings, else with its own key of weir.yaml, else with
 * `Weir-<Provider>-Key`, else with the caller's credential, which goes to its own target and to others of the same provider and origin and
 * nowhere else, else with the provider's key of weir.yaml.
 *
 * @param own Where the call itself leads.
 * @returns `null` when nothing is there with which the target would let it in.
 */
export const headFor = (to: ChainTarget, call: Call, own: Target): TargetHead | null => {
  const { isOwn, target, headers: ownHeaders, key: ownKey } = to
  if (isOwn) return lacksCredential(call, target) ? null : { headers: headersFor(call, target), path: target.path }
  const { flat, named, brings } = ownOf(to)
  const isSameDoor = target.provider.name === own.provider.name && target.origin === own.origin
  const given = ownKey ?? keyGiven(call, target.provider)
  const callersKey = !brings && given === null && isSameDoor && bringsCredential(call, own.path)
  const key = brings || callersKey ? null : (given ?? keyConfigured(call, target))
  for (let i = 0; i < call.headers.length; i += 2) {
    const name = call.headers[i] as string
    const lower = name.toLowerCase()
    if (named.has(lower)) continue
    if (isSecret(lower)) {
      if (!callersKey || !credentialNames.has(lower)) continue
    } else if (ownHeaders !== null ? !keptBesideOwn.has(lower) : isForeign(lower, target)) continue
    flat.push(name, call.headers[i + 1] as string)
  }
  if (key !== null) flat.push(...bearing(target, key))
  const isAdmitted = brings || callersKey || key !== null || target.provider.keyHeader === null
  return isAdmitted ? { headers: flat, path: callersKey ? target.path : pathWithoutKeys(target.path) } : null
}

/** The credential of a request, whichever way it goes; empty when there is none. */
export const credentialIn = ({ headers, path }: TargetHead): string => {
  for (let i = 0; i < headers.length; i += 2)
    if (credentialNames.has((headers[i] as string).toLowerCase())) return headers[i + 1] as string
  return /[?&]key=([^&]*)/.exec(path)?.[1] ?? ''
}
