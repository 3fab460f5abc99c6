import { heliconeAliases, heliconeOnly, requestHeaders, type RequestHeader } from './request-headers.js'

export type Classified =
  /** `key`: its name in lower case, whichever alias it came by. */
  | { readonly kind: 'known'; readonly header: RequestHeader; readonly key: string }
  | { readonly kind: 'property'; readonly key: string }
  | { readonly kind: 'providerKey'; readonly provider: string }
  | { readonly kind: 'reserved' }
  /** Helicone's own, without effect here: what the warning says. */
  | { readonly kind: 'without'; readonly warning: 'ignored' | 'guard-missing' }
  | { readonly kind: 'unknown' }

const reserved: Classified = { kind: 'reserved' }
const unknown: Classified = { kind: 'unknown' }

const isPattern = (name: string): boolean => name.endsWith('*')
const startOf = (name: string): string => name.slice(0, -1).toLowerCase()

/** By name in lower case. */
const known = new Map<string, Classified & { readonly kind: 'known' }>(
  requestHeaders
    .filter(({ name, state }) => state !== 'reserved' && !name.includes('<'))
    .map((header) => [header.name.toLowerCase(), { kind: 'known', header, key: header.name.toLowerCase() }]),
)
const aliases = new Map(
  Object.entries(heliconeAliases).flatMap(([alias, name]) => {
    const found = known.get(name.toLowerCase())
    return found === undefined ? [] : [[alias.toLowerCase(), found] as const]
  }),
)
const reservedNames = requestHeaders.flatMap(({ name, state }) => (state === 'reserved' ? [name] : []))
const reservedWhole = new Set(reservedNames.filter((name) => !isPattern(name)).map((name) => name.toLowerCase()))
const reservedStarts = reservedNames.filter(isPattern).map(startOf)
const without = new Map<string, Classified>(
  heliconeOnly.flatMap(({ name, warning }) => (isPattern(name) ? [] : [[name.toLowerCase(), { kind: 'without', warning }]])),
)
const withoutStarts = heliconeOnly.flatMap(({ name, warning }): (readonly [string, Classified])[] =>
  isPattern(name) ? [[startOf(name), { kind: 'without', warning }]] : [],
)

/**
 * What one of our headers is.
 *
 * @param rest Lower-case name after `weir-` or `helicone-`.
 * @param isProvider Tells whether a word names a provider (for `Weir-<Provider>-Key`).
 */
export const classifyHeader = (dialect: 'weir' | 'helicone', rest: string, isProvider: (name: string) => boolean): Classified => {
  const found = known.get(rest)
  if (found !== undefined && (dialect === 'weir' || found.header.helicone)) return found
  if (rest.startsWith('property-') && rest.length > 9) return { kind: 'property', key: rest.slice(9) }
  if (dialect === 'helicone')
    return aliases.get(rest) ?? without.get(rest) ?? withoutStarts.find(([start]) => rest.startsWith(start))?.[1] ?? unknown
  if (reservedWhole.has(rest) || reservedStarts.some((start) => rest.startsWith(start))) return reserved
  if (rest.endsWith('-key') && isProvider(rest.slice(0, -4))) return { kind: 'providerKey', provider: rest.slice(0, -4) }
  return unknown
}

/** Names a misspelt `Weir-*` header may have meant. */
export const knownHeaderNames: readonly string[] = [...known.values()].map(({ header }) => header.name)

/** Hop-by-hop fields (RFC 9110 §7.6.1): of one connection only, never relayed. */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
