import { WeirError } from '../../core/errors.js'
import type { ReadHeaders } from './read-headers.js'

const pathKey = /^\/((?:sk|pk)-(?:weir|helicone)-[^/?]+)(?=\/|\?|$)/
const ownKeyShape = /^(?:sk|pk)-(?:weir|helicone)-/

/** A Weir key that stands before the path, and the path behind it. `key` is `null` when there is none. */
export const cutPathKey = (url: string): { readonly key: string | null; readonly url: string } => {
  const found = pathKey.exec(url)
  return found === null ? { key: null, url } : { key: found[1] as string, url: url.slice(found[0].length) || '/' }
}

export const maskPathKey = (path: string): string => path.replace(pathKey, '/***')

/** Whose keys came with a call, and its headers without ours. */
export interface Credentials {
  readonly weirKey: string | null
  /** What the caller put where a provider's key goes. */
  readonly clientKey: string | null
  /** Flat pairs. */
  readonly forward: readonly string[]
}

/**
 * Takes the Weir key out of where a provider's key goes (headers.md §2.4).
 *
 * @param named The Weir key of `Weir-Auth` or the path; `null` = none.
 * @throws WeirError `sigv4_unsupported`
 */
export const credentialsOf = (
  { forward: sent, authorization: given, apiKey: sentKey }: ReadHeaders,
  named: string | null,
): Credentials => {
  let forward: readonly string[] = sent
  let authorization = given
  let apiKey = sentKey
  let weirKey = named
  if (authorization !== null) {
    const split = splitAuthorization(authorization)
    if (split.weirKey !== null) {
      weirKey ??= split.weirKey
      forward = replaceHeader(forward, 'authorization', split.rest)
      authorization = split.rest
    }
    if (authorization?.startsWith('AWS4-HMAC-SHA256'))
      throw new WeirError(
        'sigv4_unsupported',
        'A SigV4 signature names the host it was made for and cannot pass a gateway. Use a bearer key of the provider.',
        { param: 'Authorization' },
      )
  }
  if (apiKey !== null && ownKeyShape.test(apiKey)) {
    weirKey ??= apiKey
    forward = replaceHeader(forward, 'x-api-key', null)
    apiKey = null
  }
  return { weirKey, clientKey: apiKey ?? authorization?.replace(/^Bearer\s+/i, '') ?? null, forward }
}

/** `Bearer <provider key>, Bearer <weir key>`: ours is taken out (headers.md §2.4). */
const splitAuthorization = (value: string): { rest: string | null; weirKey: string | null } => {
  if (!value.includes('-weir-') && !value.includes('-helicone-')) return { rest: value, weirKey: null }
  let weirKey: string | null = null
  const rest = value.split(',').filter((part) => {
    const key = part.trim().replace(/^Bearer\s+/i, '')
    if (!ownKeyShape.test(key)) return true
    weirKey ??= key
    return false
  })
  return { rest: rest.length === 0 ? null : rest.map((part) => part.trim()).join(', '), weirKey }
}

const replaceHeader = (flat: readonly string[], lower: string, value: string | null): string[] => {
  const next: string[] = []
  for (let i = 0; i < flat.length; i += 2) {
    if ((flat[i] as string).toLowerCase() !== lower) next.push(flat[i] as string, flat[i + 1] as string)
    else if (value !== null) next.push(flat[i] as string, value)
  }
  return next
}
