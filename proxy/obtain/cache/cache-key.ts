import { createHmac, type KeyObject } from 'node:crypto'
import type { TenantId } from '../../../core/tenant.js'
import type { CacheAsked } from '../../identify/cache.js'
import type { KeyPath } from '../../identify/ignore-keys.js'
import { canonicalBy } from './canonical-json.js'

/** What a call is, as far as its answer depends on it. */
export interface Keyed {
  readonly tenant: TenantId
  /** The caller's Weir key, in clear; `null` = none. */
  readonly weirKey: string | null
  /** As the caller or the body names it; `null` = nobody. */
  readonly userId: string | null
  readonly method: string
  /** What the call is sent to first: provider and origin; under a strategy that picks one of several, all of them. */
  readonly targets: readonly string[]
  /** What those are let in with that are not where the call itself leads. */
  readonly credentials: readonly string[]
  /** Path and query at the origin. */
  readonly path: string
  readonly family: string
  /** Flat pairs, as they go to the first target: its credential among them. */
  readonly headers: readonly string[]
  /** Whether the event that tells the usage is left in the stream for the caller. */
  readonly passesUsage: boolean
  readonly body: Buffer
}

type Asked = Pick<CacheAsked, 'scope' | 'seed' | 'ignoreKeys'>

/** Changes with everything below: entries of an older form are never found again. */
const format = 'weir-cache-1'

const queryKeys = /^(?:key|api_?key|access_?token|token|sig|signature|x-amz-(?:signature|credential|security-token))$/i
const credentialName = /^(?:authorization|proxy-authorization|cookie|aws-.*|.*-(?:key|token|secret|auth))$/
/** Sorted. */
const deciding = [
  'accept',
  'accept-encoding',
  'anthropic-beta',
  'anthropic-version',
  'content-encoding',
  'content-type',
  'openai-beta',
  'openai-organization',
  'openai-project',
]
const isDeciding = new Set(deciding)

interface Sorted {
  readonly deciding: ReadonlyMap<string, string>
  readonly credentials: readonly string[]
}

interface Named {
  readonly lower: string
  readonly is: 'deciding' | 'credential' | 'neither'
}

/** Decided once for a name as it is written. */
const names = new Map<string, Named>()
const mostNames = 4096

const look = (name: string): Named => {
  let known = names.get(name)
  if (known === undefined) {
    const lower = name.toLowerCase()
    known = { lower, is: isDeciding.has(lower) ? 'deciding' : credentialName.test(lower) ? 'credential' : 'neither' }
    if (names.size < mostNames) names.set(name, known)
  }
  return known
}

/** Whether a header lets somebody in. */
export const isCredential = (name: string): boolean => look(name).is === 'credential'

const sortHeaders = (headers: readonly string[]): Sorted => {
  const found = new Map<string, string>()
  const credentials: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const { lower, is } = look(headers[i] as string)
    const value = headers[i + 1] as string
    if (is === 'deciding') {
      const before = found.get(lower)
      found.set(lower, before === undefined ? value : `${before}, ${value}`)
    } else if (is === 'credential') credentials.push(lower, value)
  }
  return { deciding: found, credentials }
}

/** What is taken, whatever the order and the case: `gzip, br` and `br,GZIP` are the same. */
const encodingSet = (value: string | undefined): string =>
  value === undefined
    ? ''
    : [...new Set(value.split(',').map((part) => part.replaceAll(/\s/g, '').toLowerCase()))].sort().join(',')

const sortQuery = (path: string): { readonly path: string; readonly query: string; readonly keys: readonly string[] } => {
  const cut = path.indexOf('?')
  if (cut < 0) return { path, query: '', keys: [] }
  const pairs = path.slice(cut + 1).split('&')
  const isKey = (pair: string): boolean => queryKeys.test(pair.split('=', 1)[0] as string)
  return {
    path: path.slice(0, cut),
    query: pairs
      .filter((pair) => !isKey(pair))
      .sort()
      .join('&'),
    keys: pairs.filter(isKey).sort(),
  }
}

/** Who shares: the whole keys, not their fingerprints, which are too short to stand between two callers. */
const scopePart = ({ scope }: Asked, { weirKey, userId }: Keyed, credentials: readonly string[]): readonly unknown[] => {
  if (scope === 'tenant') return [scope]
  return scope === 'user' ? [scope, weirKey, credentials, userId] : [scope, weirKey, credentials]
}

/** Few kinds of bodies are asked for with anything left out. */
const readers = new Map<string, ReturnType<typeof canonicalBy>>()
const mostReaders = 256

const readerFor = (ignoreKeys: readonly KeyPath[]): ReturnType<typeof canonicalBy> => {
  const name = JSON.stringify(ignoreKeys)
  const known = readers.get(name)
  if (known !== undefined) return known
  const made = canonicalBy(ignoreKeys)
  if (readers.size >= mostReaders) readers.clear()
  readers.set(name, made)
  return made
}
const plainReader = canonicalBy([])

/**
 * The name of all calls that may have the same answer (routing.md §8): HMAC-SHA-256 in hex. Calls of two tenants never have the same;
 * nor have, unless a whole tenant shares, calls with different keys.
 *
 * @param secret Of this installation: no key means anything elsewhere.
 */
export const cacheKey = (secret: KeyObject, asked: Asked, call: Keyed): string => {
  const { deciding: headers, credentials } = sortHeaders(call.headers)
  const { path, query, keys } = sortQuery(call.path)
  const body = (asked.ignoreKeys.length === 0 ? plainReader : readerFor(asked.ignoreKeys))(call.body)
  // One JSON array says where each part ends, whatever is in it; the body follows it.
  const parts = JSON.stringify([
    format,
    call.tenant,
    scopePart(asked, call, [...credentials, ...keys, ...call.credentials]),
    call.targets,
    call.method,
    path,
    query,
    call.family,
    deciding.map((name) => (name === 'accept-encoding' ? encodingSet(headers.get(name)) : (headers.get(name) ?? null))),
    call.passesUsage,
    asked.seed,
    body === null ? 'bytes' : 'json',
  ])
  const hmac = createHmac('sha256', secret).update(parts)
  return (body === null ? hmac.update(call.body) : hmac.update(body, 'latin1')).digest('hex')
}
