import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { Config } from '../../../core/config.js'
import { WeirError } from '../../../core/errors.js'
import type { Provider } from '../../../core/providers/registry.js'
import { fewAtOnce } from './few-at-once.js'
import type { Network } from './network.js'

/**
 * How far a connection may lead. `caller`: a caller gave the address, so it must be public. `provider`: the name of a provider, which may
 * not lead into a private network. `operator`: weir.yaml, or the table of providers, says where; anywhere but back to us.
 */
export type Reach = 'caller' | 'provider' | 'operator'

/** Judges one connection, from before its name is resolved to before its first byte. */
export interface Watch {
  /** Why the host, if it is an address, is not connected to: no look-up is made for one. */
  readonly refusal: WeirError | null
  /** Resolves once and refuses the connection if any of the addresses is forbidden. */
  readonly lookup: LookupFunction
  /** Cuts a connection that has ended up elsewhere, before anything is sent on it. */
  verify(socket: Socket): void
}

/** Watches every socket that is opened to an upstream. */
export interface Guard {
  /** @param byCaller A caller gave the address. */
  reachOf(origin: string, byCaller: boolean): Reach
  watch(host: string, port: number, reach: Reach): Watch
  /** Why an address may not be connected to; `null` = it may. */
  judge(address: string, port: number, reach: Reach): WeirError | null
  /** Whether a connection would end at this Weir. */
  isOwn(address: string, port: number): boolean
}

export interface GuardDeps {
  readonly config: Pick<Config, 'providers'>
  readonly providers: ReadonlyMap<string, Provider>
  readonly network: Network
  /** That this Weir listens on. */
  readonly ownPorts: ReadonlySet<number>
}

export const withoutBrackets = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host)

/** Whether an origin names its place by an address, or this machine: nothing can be behind such a name but what it says. */
export const isLiteral = (origin: string): boolean => {
  const { hostname } = new URL(origin)
  return isIP(withoutBrackets(hostname)) !== 0 || hostname === 'localhost' || hostname.endsWith('.localhost')
}

/** Origins of providers by whether their places may be private. `{segment}` stands for any. */
export const privatePlaces = (
  providers: Iterable<Provider>,
  config: Pick<Config, 'providers'>,
): ((origin: string) => boolean) => {
  const known = new Set<string>()
  const patterns: RegExp[] = []
  for (const { name, origin } of providers) {
    const isMarked = config.providers[name]?.private === true
    if (!origin.includes('{segment}')) {
      if (isMarked || isLiteral(origin)) known.add(new URL(origin).origin)
    } else if (isMarked) {
      const [before = '', after = ''] = origin.split('{segment}').map((part) => part.replaceAll('.', '\\.'))
      patterns.push(new RegExp(`^${before}[a-z0-9-]{1,63}${after}$`))
    }
  }
  return (origin) => known.has(origin) || patterns.some((pattern) => pattern.test(origin))
}

/** The same words for every address, so that nobody learns from them what a name resolves to. */
export const notPublic = (): WeirError =>
  new WeirError(
    'target_denied',
    'The address that the call names is not, or not only, on the public Internet. Private ones are for providers of weir.yaml.',
  )

export const loop = (): WeirError =>
  new WeirError('loop_detected', 'The call would be sent to this Weir itself: an origin or a target URL leads back here.')

const isNowhereElse = (host: string): WeirError =>
  new WeirError(
    'upstream_unreachable',
    `${host} leads into a private network. Where that is meant, say private: true of the provider in weir.yaml.`,
  )

/** What every connection to an upstream passes: one for all lanes, so that none can be forgotten (security.md §3). */
export const guardBy = ({ config, providers, network, ownPorts }: GuardDeps): Guard => {
  const mayBePrivate = privatePlaces(new Set(providers.values()), config)
  const ofFile = privatePlaces(
    [...new Set(providers.values())].filter(({ name }) => config.providers[name] !== undefined),
    config,
  )
  const lookupForCaller = fewAtOnce(network.lookup)
  const isOwn = (address: string, port: number): boolean => ownPorts.has(port) && network.isOwn(address)
  const judge = (address: string, port: number, reach: Reach, host = address): WeirError | null => {
    if (isOwn(address, port)) return loop()
    if (reach === 'caller') return network.isPublic(address) ? null : notPublic()
    return reach === 'provider' && network.isPrivate(address) ? isNowhereElse(host) : null
  }
  return {
    isOwn,
    judge,
    reachOf: (origin, byCaller) => {
      const known = new URL(origin).origin
      if (byCaller) return ofFile(known) ? 'operator' : 'caller'
      return mayBePrivate(known) ? 'operator' : 'provider'
    },
    watch: (host, port, reach) => {
      const worst = (addresses: readonly LookupAddress[]): WeirError | null => {
        const refusals = addresses.flatMap(({ address }) => judge(address, port, reach, host) ?? [])
        return refusals.find(({ code }) => code === 'loop_detected') ?? refusals[0] ?? null
      }
      return {
        refusal: isIP(host) === 0 ? null : judge(host, port, reach),
        lookup: (name, { family, hints, all }, done) => {
          const lookup = reach === 'caller' ? lookupForCaller : network.lookup
          lookup(name, { family, hints, all: true }, (error, addresses) => {
            const [first] = addresses ?? []
            const refusal = error ?? worst(addresses)
            if (refusal !== null || first === undefined) done(refusal ?? new Error(`${name} has no address.`), '', 0)
            else if (all === true) done(null, addresses)
            else done(null, first.address, first.family)
          })
        },
        verify: (socket) => {
          // The first to be told: TLS begins to speak in a listener of the same event.
          socket.prependListener('connect', () => {
            const refusal = judge(socket.remoteAddress ?? '', port, reach, host)
            if (refusal === null) return
            socket.removeAllListeners('connect')
            socket.destroy(refusal)
          })
        },
      }
    },
  }
}
