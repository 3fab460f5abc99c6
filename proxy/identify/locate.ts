import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { nearest } from '../../core/nearest.js'
import { originOf, type Family, type Provider } from '../../core/providers/registry.js'
import { pathAt, routeOf } from '../../core/providers/routes.js'
import type { Target } from '../call.js'
import { maskPathKey } from './credentials.js'

const segmentForm = /^[a-z0-9-]{1,63}$/
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

export interface LocateRules {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
}

interface Located {
  readonly target: Target | null
  readonly unifiedPath: string | null
  readonly helicone: boolean
}

/** A path that has been looked at, and how it is written on a row. */
export interface Known extends Located {
  readonly endpoint: string
}

const mostKnown = 4096
const longestKnown = 512

/** Where a path leads, remembering what it found: few paths make up nearly all calls. What it refuses is looked at again each time. */
export const locator = (rules: LocateRules): ((method: string, url: string) => Known) => {
  const known = new Map<string, Map<string, Known>>()
  let count = 0
  return (method, url) => {
    const found = known.get(method)?.get(url)
    if (found !== undefined) return found
    const cut = url.indexOf('?')
    const fresh = { ...locate(method, url, rules), endpoint: `${method} ${maskPathKey(cut < 0 ? url : url.slice(0, cut))}` }
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

const locate = (method: string, url: string, { providers, config }: LocateRules): Located => {
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
