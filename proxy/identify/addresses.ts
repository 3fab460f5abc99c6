import { isIP } from 'node:net'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { familyOfPath } from '../../core/providers/family-of-path.js'
import type { Provider } from '../../core/providers/registry.js'
import { pathAt, routeOf } from '../../core/providers/routes.js'
import type { Target } from '../call.js'
import { isLiteral, loop, notPublic, withoutBrackets, type Guard } from '../obtain/guard/guard.js'
import type { CallerAddress } from './target-url.js'

/** What is to be sent to an address of a caller's. */
export interface Aim {
  readonly address: CallerAddress
  readonly method: string
  /** Goes behind the address's own; with its query. */
  readonly path: string
  /** Whose API it is, as far as the caller has said so. */
  readonly speaks: Target | null
  /** At a provider that is known the path becomes the one it has there: a fallback's path is the call's, not its own. */
  readonly translates: boolean
}

/** A target, or why it is none. */
export type Aimed = { readonly target: Target } | { readonly refused: WeirError }

export interface Addresses {
  aim(aim: Aim): Aimed
}

export interface AddressRules {
  readonly config: Pick<Config, 'targetUrl' | 'targetAllow'>
  readonly providers: ReadonlyMap<string, Provider>
  readonly guard: Guard
}

/** Names that are somebody's own by definition (RFC 6761, 6762, 8375, and what clouds call their metadata). No look-up is made for one. */
const privateName = /^[^.]+$|\.(?:localhost|localdomain|local|internal|home\.arpa)$/
const openPorts = new Set(['', '80', '443'])

const originPattern = (origin: string): RegExp =>
  new RegExp(
    `^${origin.replaceAll('.', '\\.').replace('{segment}-', '(?:[a-z0-9-]{1,63}-)?').replace('{segment}', '[a-z0-9-]{1,63}')}$`,
  )

/** Who is at an origin. */
const knownAt = (providers: ReadonlyMap<string, Provider>): ((origin: string) => readonly Provider[]) => {
  const byOrigin = new Map<string, Provider[]>()
  const patterns: (readonly [RegExp, Provider])[] = []
  for (const provider of new Set(providers.values())) {
    if (provider.origin.includes('{segment}')) patterns.push([originPattern(provider.origin), provider])
    else {
      const { origin } = new URL(provider.origin)
      const before = byOrigin.get(origin)
      if (before === undefined) byOrigin.set(origin, [provider])
      else before.push(provider)
    }
  }
  return (origin) => byOrigin.get(origin) ?? patterns.filter(([pattern]) => pattern.test(origin)).map(([, provider]) => provider)
}

/** Whether `targetAllow` lists an origin. `*.` stands for one label or more. */
const listedBy = (allowed: readonly string[]): ((url: URL) => boolean) => {
  const rules = allowed.map((text) => ({ isWild: text.includes('//*.'), url: new URL(text.replace('//*.', '//')) }))
  return ({ protocol, port, hostname }) =>
    rules.some(
      ({ isWild, url }) =>
        url.protocol === protocol &&
        url.port === port &&
        (isWild ? hostname.endsWith(`.${url.hostname}`) : hostname === url.hostname),
    )
}

/** Somebody who is known by the host alone. A host has a dot or a bracket, so it is called like no provider, and gets no provider's key. */
const stranger = (origin: string): Provider => ({
  name: origin.slice(origin.indexOf('//') + 2),
  aliases: [],
  origin,
  segment: null,
  prefixes: [],
  roots: {},
  keyHeader: 'authorization',
  key: null,
  needsKey: false,
  propagate: false,
  injectUsage: false,
  trustCost: false,
  builtIn: false,
})

/** Whoever it is, the address was a caller's: no key of weir.yaml goes there. */
const keyless = (provider: Provider): Provider => (provider.key === null ? provider : { ...provider, key: null, needsKey: false })

const denied = ({ header }: CallerAddress, why: string): WeirError =>
  new WeirError('target_denied', `${header}: ${why}`, { param: header })

/** What is known of a path at an origin. */
interface Place {
  readonly provider: Provider
  /** The path is one of the provider's own. */
  readonly fits: boolean
  /** Of a provider that is known; `null` = nobody is. */
  readonly family: Target['route']['family'] | null
  readonly path: string
}

/**
 * Where addresses lead that callers give, and whether they may. Names are resolved later, by the guard, and only those that may.
 */
export const addressesBy = ({ config, providers, guard }: AddressRules): Addresses => {
  const whoIsAt = knownAt(providers)
  const isListed = listedBy(config.targetAllow)

  const placeOf = (known: readonly Provider[], path: string, { address, translates, speaks }: Aim): Place => {
    const named = speaks?.provider.name
    const inOrder = [...known.filter(({ name }) => name === named), ...known.filter(({ name }) => name !== named)]
    for (const provider of inOrder) {
      const there = pathAt(provider, path)
      if (there !== null && (translates || there.path === path)) return { provider, fits: true, ...there }
    }
    const [first] = inOrder
    return first === undefined
      ? { provider: stranger(address.origin), fits: false, family: null, path }
      : { provider: first, fits: false, family: familyOfPath(path), path }
  }

  const refusalOf = (address: CallerAddress, isKnown: boolean, fits: boolean): WeirError | null => {
    const url = new URL(address.origin)
    const host = withoutBrackets(url.hostname)
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
    const literal = isIP(host) !== 0 ? host : isLiteral(address.origin) ? '127.0.0.1' : null
    if (literal !== null && guard.isOwn(literal, port)) return loop()
    if (config.targetUrl === 'off') return denied(address, 'no address of a caller is taken here (targetUrl: off in weir.yaml).')
    if (guard.reachOf(address.origin, true) === 'operator')
      return fits ? null : denied(address, 'the provider that weir.yaml has at this address takes no such path.')
    if (!isKnown && !isListed(url)) {
      if (config.targetUrl === 'allowlist') return denied(address, 'this address is not listed in targetAllow of weir.yaml.')
      if (!openPorts.has(url.port))
        return denied(
          address,
          'only ports 80 and 443 are open to addresses of callers; others are listed in targetAllow of weir.yaml.',
        )
    }
    const isBlocked = literal === null ? privateName.test(host) : guard.judge(literal, port, 'caller') !== null
    return isBlocked ? denied(address, notPublic().message) : null
  }

  return {
    aim: (aim) => {
      const { address, method, speaks } = aim
      const cut = aim.path.indexOf('?')
      const full = address.base + (cut < 0 ? aim.path : aim.path.slice(0, cut))
      const query = cut < 0 ? '' : aim.path.slice(cut)
      const known = whoIsAt(address.origin)
      const { provider, fits, family, path } = placeOf(known, full, aim)
      const refused = refusalOf(address, known.length > 0, fits)
      if (refused !== null) return { refused }
      const plain = path.replaceAll(/%3a/gi, ':')
      const route =
        family === null && speaks !== null ? speaks.route : routeOf(provider, method, plain, family ?? familyOfPath(plain))
      return { target: { provider: keyless(provider), origin: address.origin, path: path + query, route, byCaller: true } }
    },
  }
}
