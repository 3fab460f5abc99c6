import { WeirError } from '../../core/errors.js'
import { readDirectives, type Directives } from './cache-control.js'
import { readIgnoreKeys, type KeyPath } from './ignore-keys.js'
import type { OwnValue, OwnValues } from './own-values.js'

/** What a call asks of the cache (headers.md §3.3). */
export interface CacheAsked {
  /** An answer may come from it. `bypass`: it was asked for, and taken back by a directive. */
  readonly read: 'yes' | 'no' | 'bypass'
  readonly save: boolean
  /** How long the answer is kept, and how old one may be that is read. */
  readonly maxAgeMs: number
  /** How many answers there are before one of them is drawn, 1 to 20. */
  readonly slots: number
  readonly seed: string
  readonly ignoreKeys: readonly KeyPath[]
  readonly scope: 'credential' | 'user' | 'tenant'
  readonly replay: 'instant' | 'paced'
}

const defaultMaxAgeS = 604_800
const mostMaxAgeS = 31_536_000
const noDirectives: Directives = { noCache: false, noStore: false, maxAge: null }
const noKeys: readonly KeyPath[] = []

const word = <T extends string>(own: OwnValues, rest: string, words: readonly [T, ...T[]]): T => {
  const found = own.get(rest)
  if (found === undefined) return words[0]
  const value = found.value.trim().toLowerCase()
  const known = words.find((candidate) => candidate === value)
  if (known === undefined) own.bad(found)
  return known ?? words[0]
}

/** The number of slots decides how often a caller pays: it is never guessed, in neither dialect. */
const slotsIn = ({ value, name, header }: OwnValue): number => {
  const text = value.trim()
  if (!/^(?:[1-9]|1\d|20)$/.test(text))
    throw new WeirError('bad_header', `${name}: accepted is ${header.grammar}.`, { param: name })
  return Number(text)
}

/**
 * Of the headers of the call itself ours goes before the one everybody has, and both before what weir.yaml holds.
 *
 * @param plain The request's own `Cache-Control`: a fault in it is nobody's business here.
 */
const directivesIn = (own: OwnValues, plain: string | null): Directives => {
  const found = own.get('cache-control')
  const read = found === undefined ? noDirectives : readDirectives(found.value)
  if (read === null && found !== undefined) own.bad(found)
  const plainRead = plain === null || found?.from === 'header' ? null : readDirectives(plain)
  const counts = plainRead !== null && (plainRead.noCache || plainRead.noStore || plainRead.maxAge !== null)
  const directives = (counts ? plainRead : read) ?? noDirectives
  if ((directives.maxAge ?? 0) > mostMaxAgeS) {
    if (counts || found === undefined) own.warnOf('capped', 'cache-control')
    else own.warn('capped', found)
  }
  return directives
}

const keysIn = (own: OwnValues): readonly KeyPath[] => {
  const text = own.text('cache-ignore-keys', 8192)
  if (text === null) return noKeys
  const keys = readIgnoreKeys(text)
  const found = own.get('cache-ignore-keys')
  if (keys === null && found !== undefined) own.bad(found)
  return keys ?? noKeys
}

/**
 * Reads what is asked of the cache.
 *
 * @param plain The value of `Cache-Control`, `null` = none: it counts where ours says nothing.
 * @returns `null` when nothing is to be read or saved.
 * @throws WeirError `bad_header`; for a number of slots that is none in both dialects.
 */
export const readCache = (own: OwnValues, plain: string | null): CacheAsked | null => {
  const enabled = own.flag('cache-enabled')
  const read = own.flagOr('cache-read', enabled)
  const save = own.flagOr('cache-save', enabled)
  const buckets = own.get('cache-bucket-max-size')
  const slots = buckets === undefined ? 1 : slotsIn(buckets)
  const seed = own.text('cache-seed', 256) ?? ''
  const ignoreKeys = keysIn(own)
  const scope = word(own, 'cache-scope', ['credential', 'user', 'tenant'])
  const replay = word(own, 'cache-replay', ['instant', 'paced'])
  const wanted = read || save
  const { noCache, noStore, maxAge } = directivesIn(own, wanted ? plain : null)
  if (!wanted) return null
  const age = Math.min(maxAge ?? defaultMaxAgeS, mostMaxAgeS)
  const neither = noStore || age === 0
  return {
    read: !read ? 'no' : neither || noCache ? 'bypass' : 'yes',
    save: save && !neither,
    maxAgeMs: age * 1000,
    slots,
    seed,
    ignoreKeys,
    scope,
    replay,
  }
}
