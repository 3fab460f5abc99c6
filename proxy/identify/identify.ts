import type { IncomingMessage } from 'node:http'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { originOf, type Family, type Provider } from '../../core/providers/registry.js'
import { pathAt, routeOf } from '../../core/providers/routes.js'
import { nearest } from '../../core/nearest.js'
import { defaultTenant } from '../../core/tenant.js'
import type { Call, Target } from '../call.js'
import { readOwnHeaders, readTraceparent } from './identity.js'
import { headerReader } from './read-headers.js'

const segmentForm = /^[a-z0-9-]{1,63}$/
const pathKey = /^\/((?:sk|pk)-(?:weir|helicone)-[^/?]+)(?=\/|\?|$)/
const ownKeyShape = /^(?:sk|pk)-(?:weir|helicone)-/
const dots = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i
const unifiedBodyPaths = new Set([
  '/chat/completions',
  '/completions',
  '/embeddings',
  '/responses',
  '/messages',
  '/messages/count_tokens',
  '/moderations',
  '/rerank',
])
const unifiedResources =
  /^\/(?:files|batches|uploads|fine_tuning|vector_stores|assistants|threads|models|containers|conversations|videos|evals|realtime|audio|images|responses\/|chat\/completions\/)/

/** A path that is nobody's: refused without a row. */
export class UnmatchedPath extends WeirError {
  constructor(message: string) {
    super('unknown_path', message)
  }
}

export interface Identify {
  (req: IncomingMessage, id: string): Call
}

interface Rules {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
  readonly fingerprint: (key: string) => string
}

interface Located {
  readonly target: Target | null
  readonly unifiedPath: string | null
  readonly helicone: boolean
}

/** A path that has been looked at, and how it is written on a row. */
interface Known extends Located {
  readonly endpoint: string
}

const mostKnown = 4096
const longestKnown = 512

/** `locate`, remembering what it found: few paths make up nearly all calls. What it refuses is looked at again each time. */
const locator = (rules: Rules): ((method: string, url: string) => Known) => {
  const known = new Map<string, Map<string, Known>>()
  let count = 0
  return (method, url) => {
    const found = known.get(method)?.get(url)
    if (found !== undefined) return found
    const cut = url.indexOf('?')
    const fresh = { ...locate(method, url, rules), endpoint: `${method} ${mask(cut < 0 ? url : url.slice(0, cut))}` }
    if (count < mostKnown && url.length <= longestKnown) {
      const byUrl = known.get(method)
      if (byUrl === undefined) known.set(method, new Map([[url, fresh]]))
      else byUrl.set(url, fresh)
      count++
    }
    return fresh
  }
}

/** The wire family a path will want its errors in, even when nothing else about it can be understood. */
export const familyOfPath = (path: string): Family =>
  path.includes('/anthropic') || path.endsWith('/messages') || path.endsWith('/messages/count_tokens')
    ? 'anthropic'
    : path.startsWith('/gemini') ||
        path.startsWith('/google') ||
        path.includes(':generateContent') ||
        path.includes(':streamGenerateContent')
      ? 'gemini'
      : path.startsWith('/bedrock')
        ? 'bedrock'
        : 'openai-chat'

const locate = (method: string, url: string, { providers, config }: Rules): Located => {
  const cut = url.indexOf('?')
  const path = cut < 0 ? url : url.slice(0, cut)
  const query = cut < 0 ? '' : url.slice(cut)
  const unknown = (hint: string): WeirError => new WeirError('unknown_path', `${method} ${path} leads nowhere. ${hint}`)
  if (dots.test(path)) throw new UnmatchedPath(`${method} ${path} leads nowhere: a path may not hold . or .. segments.`)
  const at = (provider: Provider, rest: string, segment: string | null, helicone = false): Located => {
    const found = pathAt(provider, rest)
    if (found === null)
      throw unknown(
        `${provider.name} takes paths that begin with ${provider.prefixes.map(({ path: prefix }) => prefix).join(' or ')}.`,
      )
    const route = routeOf(provider, method, found.path.replaceAll(/%3a/gi, ':'), found.family)
    return {
      target: { provider, origin: originOf(provider, segment), path: found.path + query, route },
      unifiedPath: null,
      helicone,
    }
  }
  if (path.startsWith('/v1/gateway/')) {
    const rest = path.slice('/v1/gateway'.length)
    for (const [prefix, name] of [
      ['/oai', 'openai'],
      ['/anthropic', 'anthropic'],
    ] as const) {
      const provider = providers.get(name)
      if (rest.startsWith(`${prefix}/`) && provider !== undefined) return at(provider, rest.slice(prefix.length), null, true)
    }
    throw unknown('Under /v1/gateway only oai and anthropic are known.')
  }
  const unifiedRoot = path.startsWith('/v1/')
    ? '/v1'
    : path.startsWith('/ai/v1/')
      ? '/ai/v1'
      : path.startsWith('/ai/')
        ? '/ai'
        : null
  if (unifiedRoot !== null) {
    const rest = path.slice(unifiedRoot.length)
    const provider = providers.get(config.defaultProvider)
    if (method === 'POST' && unifiedBodyPaths.has(rest)) return { target: null, unifiedPath: rest + query, helicone: false }
    if (unifiedResources.test(rest) && provider !== undefined) {
      const root = provider.roots['openai-chat']
      if (root === undefined) throw unknown(`The default provider ${provider.name} has no OpenAI paths.`)
      const full = root + rest
      return {
        target: {
          provider,
          origin: originOf(provider, null),
          path: full + query,
          route: routeOf(provider, method, full, 'openai-chat'),
        },
        unifiedPath: null,
        helicone: false,
      }
    }
    if (unifiedBodyPaths.has(rest)) throw new WeirError('method_not_allowed', `${method} ${path}: this path takes POST alone.`)
    throw unknown('docs/headers.md lists the unified paths.')
  }
  const slash = path.indexOf('/', 1)
  const first = slash < 0 ? path.slice(1) : path.slice(1, slash)
  const provider = providers.get(first)
  if (provider === undefined) {
    const near = nearest(first, [...providers.keys()])
    throw new UnmatchedPath(
      near === null || first === ''
        ? `${method} ${path} leads nowhere. Base URLs look like /openai/v1, /anthropic, /gemini, /<provider> or /v1.`
        : `${method} ${path} leads nowhere. Did you mean /${near}${slash < 0 ? '' : path.slice(slash)}?`,
    )
  }
  const rest = slash < 0 ? '/' : path.slice(slash)
  if (provider.segment === null || !provider.origin.includes('{segment}')) {
    if (provider.segment !== null) {
      // An azure, vertex or bedrock with an origin of the operator's: the segment may still be written, and is passed over.
      const after = rest.indexOf('/', 1)
      if (after > 0 && pathAt(provider, rest) === null) return at(provider, rest.slice(after), null)
    }
    return at(provider, rest, null)
  }
  const after = rest.indexOf('/', 1)
  const segment = after < 0 ? rest.slice(1) : rest.slice(1, after)
  // A forgotten segment would send the caller's key to whoever owns the name "openai": such a path is not guessed at.
  const forgotten = provider.prefixes.some((prefix) => rest.startsWith(prefix.path))
  if (!segmentForm.test(segment) || after < 0 || forgotten)
    throw unknown(`${provider.name} needs its ${provider.segment} as the next segment: /${first}/<${provider.segment}>/...`)
  return at(provider, rest.slice(after), segment)
}

const mask = (path: string): string => path.replace(pathKey, '/***')

/**
 * Reads who calls, what for and where to, from path and headers alone. Nothing after this stage looks at our headers.
 *
 * @throws WeirError of origin `client`: the call is refused before anything is sent.
 */
export const identifyBy = (rules: Rules): Identify => {
  const read = headerReader()
  const look = locator(rules)
  const headerRules = {
    strictHelicone: rules.config.compat.helicone === 'strict',
    isProvider: (name: string) => rules.providers.has(name),
    fingerprint: rules.fingerprint,
  }
  return (req, id) => {
    const method = req.method ?? 'GET'
    const headers = read(req.rawHeaders)
    let url = req.url ?? '/'
    const keyInPath = pathKey.exec(url)
    if (keyInPath !== null) url = url.slice(keyInPath[0].length) || '/'
    const { target, unifiedPath, helicone, endpoint } = look(method, url)
    const asked = readOwnHeaders(headers.own, headerRules, headers.cacheControl)
    let { forward } = headers
    let { authorization } = headers
    let weirKey = asked.weirKey ?? keyInPath?.[1] ?? null
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
    let { apiKey } = headers
    if (apiKey !== null && ownKeyShape.test(apiKey)) {
      weirKey ??= apiKey
      forward = replaceHeader(forward, 'x-api-key', null)
      apiKey = null
    }
    const clientKey = apiKey ?? authorization?.replace(/^Bearer\s+/i, '') ?? null
    const hop = headers.hop === null ? 0 : Number.parseInt(headers.hop, 10)
    if (Number.isNaN(hop) || hop >= 3)
      throw new WeirError('loop_detected', 'The call has passed through Weir three times already: an origin leads back here.', {
        param: 'Weir-Hop',
      })
    const trace = readTraceparent(headers.traceparent)
    const keyId = weirKey !== null ? `weir-${rules.fingerprint(weirKey)}` : clientKey !== null ? rules.fingerprint(clientKey) : ''
    return {
      id,
      tenant: defaultTenant,
      method,
      endpoint,
      target,
      unifiedPath,
      headers: forward,
      providerKeys: asked.providerKeys,
      storedHeaders: headers.stored,
      contentEncoding: headers.contentEncoding,
      clientKey,
      weirKey,
      identity: { ...asked.identity, keyId, trace },
      durability: asked.durability,
      streamUsage: asked.streamUsage,
      costReport: asked.costReport,
      steering: asked.steering,
      trailers: headers.trailers,
      warnings: asked.warnings,
      twins:
        rules.config.compat.twins === 'on' ||
        (rules.config.compat.twins === 'auto' && (asked.twins || helicone || keyInPath !== null)),
      hop,
    }
  }
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
