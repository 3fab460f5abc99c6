import { WeirError } from '../../core/errors.js'
import type { WeirKeyring } from '../../core/weir-keys.js'
import type { OwnHeader, ReadHeaders } from './read-headers.js'

const pathKey = /^\/((?:sk|pk)-(?:weir|helicone)-[^/?]+)(?=\/|\?|$)/
const ownKeyShape = /^(?:sk|pk)-(?:weir|helicone)-[^\s,]*$/
const bearer = /^Bearer(?:\s+|$)/i
const authForm = /^(?:Bearer\s+)?([\x21-\x7e]{1,512})$/i
const keyHeaders = new Set(['x-api-key', 'api-key', 'x-goog-api-key'])

/** A Weir key that stands before the path, and the path behind it. `key` is `null` when there is none. */
export const cutPathKey = (url: string): { readonly key: string | null; readonly url: string } => {
  const found = pathKey.exec(url)
  return found === null ? { key: null, url } : { key: found[1] as string, url: url.slice(found[0].length) || '/' }
}

/** A key of Helicone's: who shows one speaks its dialect, wherever it stands. */
export const isHeliconeKey = (key: string | null): boolean =>
  key !== null && (key.startsWith('sk-helicone-') || key.startsWith('pk-helicone-'))

export const maskPathKey = (path: string): string => path.replace(pathKey, '/***')

/** The key in the value of `Weir-Auth`; `null` = it is none. */
export const keyInAuth = (value: string): string | null => authForm.exec(value.trim())?.[1] ?? null

const keyIn = (authorization: string | null): string | null =>
  authorization === null ? null : authorization.replace(bearer, '') || null

/** Whose keys came with a call, and what goes on without ours. */
export interface Credentials {
  readonly weirKey: string | null
  /** What the caller put where a provider's key goes. */
  readonly clientKey: string | null
  /** Flat pairs. */
  readonly forward: readonly string[]
  /** Path and query. */
  readonly url: string
  /** A Weir key stood before the path. */
  readonly inPath: boolean
}

/** @param url With the key that may stand before its path. */
export type ReadCredentials = (headers: ReadHeaders, url: string) => Credentials

interface Taken {
  readonly forward: string[]
  readonly weirKey: string | null
  readonly authorization: string | null
  readonly apiKey: string | null
}

type IsOurs = (key: string) => boolean

/** `Bearer <provider key>, Bearer <weir key>`: ours is taken out. */
const splitAuthorization = (value: string, isOurs: IsOurs): { rest: string | null; weirKey: string | null } => {
  const whole = value.trim().replace(bearer, '')
  if (isOurs(whole)) return { rest: null, weirKey: whole }
  let weirKey: string | null = null
  const parts = value.split(',').map((part) => part.trim())
  const rest = parts.filter((part) => {
    const key = part.replace(bearer, '')
    if (!isOurs(key)) return true
    weirKey ??= key
    return false
  })
  if (rest.length === parts.length) return { rest: value, weirKey }
  return { rest: rest.length === 0 ? null : rest.join(', '), weirKey }
}

const takeOurs = (sent: readonly string[], isOurs: IsOurs): Taken => {
  const forward: string[] = []
  let weirKey: string | null = null
  let authorization: string | null = null
  let apiKey: string | null = null
  for (let i = 0; i < sent.length; i += 2) {
    const name = sent[i] as string
    const value = sent[i + 1] as string
    const lower = name.toLowerCase()
    if (lower === 'authorization') {
      const split = splitAuthorization(value, isOurs)
      weirKey ??= split.weirKey
      if (split.rest === null) continue
      authorization = split.rest
      forward.push(name, split.rest)
      continue
    }
    if (keyHeaders.has(lower)) {
      const key = value.trim()
      if (isOurs(key)) {
        weirKey ??= key
        continue
      }
      apiKey = value
    }
    forward.push(name, value)
  }
  return { forward, weirKey, authorization, apiKey }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `?key=`, where Gemini takes a key, with one of ours in it. `null` = no such. */
const cutQueryKey = (url: string, isOurs: IsOurs): { readonly key: string; readonly url: string } | null => {
  const cut = url.indexOf('?')
  let key: string | null = null
  const rest = url
    .slice(cut + 1)
    .split('&')
    .filter((pair) => {
      if (!pair.startsWith('key=')) return true
      const value = decoded(pair.slice('key='.length))
      if (!isOurs(value)) return true
      key ??= value
      return false
    })
  return cut < 0 || key === null ? null : { key, url: url.slice(0, cut) + (rest.length === 0 ? '' : `?${rest.join('&')}`) }
}

/** `Weir-Auth`, else `Helicone-Auth`; one that holds no key counts for nothing here, and is told of where our headers are read. */
const keyInOwn = (own: readonly OwnHeader[]): string | null => {
  let found: string | null = null
  for (const { rest, dialect, value } of own) {
    if (rest !== 'auth') continue
    const key = keyInAuth(value)
    if (key !== null && dialect === 'weir') return key
    found ??= key
  }
  return found
}

/**
 * Takes the Weir key out of a call, wherever it stands (headers.md §2.4): what it is asked with counts in the order `Weir-Auth`,
 * `Helicone-Auth`, path, then where a provider's key goes. None of them goes upstream, whichever counts.
 *
 * Where a provider's key goes, a key of ours is known by its shape, or because weir.yaml lists it.
 */
export const credentialsBy = (keys: WeirKeyring): ReadCredentials => {
  const isOurs = (key: string): boolean => ownKeyShape.test(key) || (!keys.isEmpty && keys.find(key).fault !== 'unknown')
  return (headers, sentUrl) => {
    const { forward, own, authorization, apiKey, credentials } = headers
    const cut = cutPathKey(sentUrl)
    let { url } = cut
    const named = (own.length === 0 ? null : keyInOwn(own)) ?? cut.key
    const isIt: IsOurs = named === null ? isOurs : (key) => key === named || isOurs(key)
    const inPath = cut.key !== null
    let weirKey = named
    if (url.includes('key=')) {
      const inQuery = cutQueryKey(url, isIt)
      if (inQuery !== null) {
        weirKey ??= inQuery.key
        url = inQuery.url
      }
    }
    if (credentials === 0) return { weirKey, clientKey: null, forward, url, inPath }
    const token = keyIn(authorization)
    const isPlain =
      credentials === 1 &&
      (token === null ? apiKey === null || !isIt(apiKey.trim()) : !token.includes(',') && !isIt(token.trim()))
    if (isPlain) return { weirKey, clientKey: apiKey ?? token, forward, url, inPath }
    const taken = takeOurs(forward, isIt)
    return {
      weirKey: weirKey ?? taken.weirKey,
      clientKey: taken.apiKey ?? keyIn(taken.authorization),
      forward: taken.forward,
      url,
      inPath,
    }
  }
}

/** @throws WeirError `sigv4_unsupported` */
export const refuseSignature = (authorization: string | null): void => {
  if (authorization?.startsWith('AWS4-HMAC-SHA256') === true)
    throw new WeirError(
      'sigv4_unsupported',
      'A SigV4 signature names the host it was made for and cannot pass a gateway. Use a bearer key of the provider.',
      { param: 'Authorization' },
    )
}
