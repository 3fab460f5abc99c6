import type { IncomingMessage } from 'node:http'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import type { Provider } from '../../core/providers/registry.js'
import type { Call, Target } from '../call.js'
import type { Addresses } from './addresses.js'
import type { FindCaller } from './caller.js'
import type { WeirKeyring } from '../../core/weir-keys.js'
import { credentialsBy, isHeliconeKey, refuseSignature } from './credentials.js'
import { readOwnHeaders } from './identity.js'
import { hostLabelBy } from './host-label.js'
import { endpointOf, locator, UnmatchedPath, type Elsewhere, type Known } from './locate.js'
import { presetsOf } from './presets.js'
import { headerReader } from './read-headers.js'
import type { CallerAddress } from './target-url.js'
import { readTraceparent } from './traceparent.js'

export interface Identify {
  /** @param at Where it leads; `null` = that is found out. */
  (req: IncomingMessage, id: string, at?: Known | null): Call
}

interface Rules {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
  readonly keys: WeirKeyring
  readonly caller: FindCaller
  readonly addresses: Addresses
}

interface Placed {
  readonly target: Target | null
  readonly refused: WeirError | null
}

const mostHops = 3
/** A path of a known provider that leads nowhere. */
const unlocated = { target: null, unifiedPath: null, helicone: false } as const

/** How often a call has passed through a Weir. */
const hopsOf = (header: string | null): number => {
  if (header === null) return 0
  const hops = /^\d{1,9}$/.test(header) ? Number(header) : mostHops
  if (hops >= mostHops)
    throw new WeirError('loop_detected', 'The call has passed through Weir three times already: an origin leads back here.', {
      param: 'Weir-Hop',
    })
  return hops
}

/**
 * Reads who calls, what for and where to, from path and headers alone. Nothing after this stage looks at our headers.
 *
 * @returns A call that may be refused: it tells why, and who asked, so that its row is its tenant's. Whoever may not call is told that
 * alone; what else the headers hold is not read.
 * @throws UnmatchedPath when the path is nobody's.
 */
export const identifyBy = (rules: Rules): Identify => {
  const read = headerReader()
  const look = locator(rules)
  const credentialsOf = credentialsBy(rules.keys)
  const hostLabel = hostLabelBy(rules.config.hostRouting)
  const aimedAt = (address: CallerAddress | null, { path, speaks, homeless }: Elsewhere, method: string): Placed | null => {
    if (address === null) {
      if (homeless !== null) throw homeless()
      return null
    }
    const aimed = rules.addresses.aim({ address, method, path, speaks, translates: false })
    return 'refused' in aimed ? { target: null, refused: aimed.refused } : { target: aimed.target, refused: null }
  }
  const { helicone: dialect, twins } = rules.config.compat
  const ceilings = { timeouts: rules.config.timeouts }
  const headerRules = {
    strictHelicone: dialect === 'strict',
    isProvider: (name: string) => rules.providers.has(name),
    ceilings,
    presets: presetsOf(rules.config, ceilings),
  }
  // Of a call that brings none of our headers: read once, unless weir.yaml turns the cache on and the call's own Cache-Control counts.
  const plain = readOwnHeaders([], headerRules)
  const ownCacheControlCounts = plain.steering.cache !== null
  return (req, id, at = null) => {
    const method = req.method ?? 'GET'
    const headers = read(req.rawHeaders)
    const { weirKey, clientKey, forward, url, inPath } = credentialsOf(headers, req.url ?? '/')
    const caller = rules.caller({ weirKey, clientKey })
    let { refused } = caller
    let located: Known | null = at
    let asked = plain
    let placed: Placed | null = null
    let hop = 0
    try {
      located ??= look(method, url, hostLabel === null ? null : hostLabel(req.headers.host))
      if (refused === null) {
        refuseSignature(headers.authorization)
        if (headers.own.length > 0 || (headers.cacheControl !== null && ownCacheControlCounts))
          asked = readOwnHeaders(headers.own, headerRules, headers.cacheControl)
        if (located.elsewhere !== undefined) placed = aimedAt(asked.targetUrl, located.elsewhere, method)
        hop = hopsOf(headers.hop)
      }
    } catch (cause) {
      if (!(cause instanceof WeirError) || cause instanceof UnmatchedPath) throw cause
      refused ??= cause
    }
    const { target, unifiedPath, helicone } = located ?? unlocated
    return {
      id,
      tenant: caller.tenant,
      caller,
      method,
      endpoint: located?.endpoint ?? endpointOf(method, url),
      target: placed === null ? target : placed.target,
      unifiedPath: placed === null ? unifiedPath : null,
      refused: refused ?? placed?.refused ?? null,
      headers: forward,
      providerKeys: asked.providerKeys,
      storedHeaders: headers.stored,
      contentEncoding: headers.contentEncoding,
      clientKey,
      weirKey,
      identity: { ...asked.identity, keyId: caller.keyId, trace: readTraceparent(headers.traceparent) },
      durability: asked.durability,
      streamUsage: asked.streamUsage,
      costReport: asked.costReport,
      wholeEvents: asked.wholeEvents,
      own: asked.values,
      steering: asked.steering,
      trailers: headers.trailers,
      warnings: asked.warnings,
      twins: twins === 'on' || (twins === 'auto' && (asked.twins || helicone || inPath || isHeliconeKey(weirKey))),
      hop,
    }
  }
}
