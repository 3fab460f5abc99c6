import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { nearest } from '../../core/nearest.js'
import { familyOfPath as familyByShape } from '../../core/providers/family-of-path.js'
import { originOf, type Family, type Provider } from '../../core/providers/registry.js'
import { pathAt, routeOf } from '../../core/providers/routes.js'
import type { Target } from '../call.js'
import { maskPathKey } from './credentials.js'
import { hasDotSegments } from './dot-segments.js'

const segmentForm = /^[a-z0-9-]{1,63}$/
const unifiedBodyPaths = new Set([
  '/chat/completions',
  '/completions',
  '/embeddings',
  '/responses',
  '/messages',
  '/messages/count_tokens',
  '/moderations',
  '/rerank',
  '/images/generations',
  '/images/edits',
  '/images/variations',
  '/audio/speech',
  '/audio/transcriptions',
  '/audio/translations',
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

/** A path at an address of the caller's (headers.md §2.1). */
export interface Elsewhere {
  /** With its query. */
  readonly path: string
  /** The caller has named a provider, whose API it is. */
  readonly speaks: Target | null
  /** Why it leads nowhere without such an address; `null` = it leads somewhere. */
  readonly homeless: (() => WeirError) | null
}

interface Located {
  readonly target: Target | null
  readonly unifiedPath: string | null
  readonly helicone: boolean
  /** Without, an address of the caller's counts for nothing. */
  readonly elsewhere?: Elsewhere
}

/** A path that has been looked at, and how it is written on a row. */
export interface Known extends Located {
  readonly endpoint: string
}

const mostKnown = 4096
const longestKnown = 512

/** @param label What stands before a name of `hostRouting` in the `Host`; `null` = the path alone tells. */
export type Locate = (method: string, url: string, label?: string | null) => Known

/** How a path is written on a row: without query and key. */
export const endpointOf = (method: string, url: string): string => {
  const cut = url.indexOf('?')
  return `${method} ${maskPathKey(cut < 0 ? url : url.slice(0, cut))}`
}

/** Where a path leads, remembering what it found: few paths make up nearly all calls. What it refuses is looked at again each time. */
export const locator = (rules: LocateRules): Locate => {
  const known = new Map<string, Map<string, Known>>()
  let count = 0
  return (method, url, label = null) => {
    const key = label === null ? url : `${label} ${url}`
    const found = known.get(method)?.get(key)
    if (found !== undefined) return found
    const located = label === null ? locate(method, url, rules) : locateAtHost(method, url, label, rules)
    const fresh = { ...located, endpoint: endpointOf(method, url) }
    if (count < mostKnown && key.length <= longestKnown) {
      const byUrl = known.get(method)
      if (byUrl === undefined) known.set(method, new Map([[key, fresh]]))
      else byUrl.set(key, fresh)
      count++
    }
    return fresh
  }
}

/** Whose paths are of one family, but where their shape says otherwise. */
const natives: ReadonlyMap<string, Family> = new Map([
  ['anthropic', 'anthropic'],
  ['gemini', 'gemini'],
  ['google', 'gemini'],
  ['vertex', 'gemini'],
  ['bedrock', 'bedrock'],
  ['cohere', 'cohere'],
  ['ollama', 'ollama'],
])

/** The wire family a call will want its errors in, even when its path leads nowhere. */
export const familyOfPath = (url: string): Family => {
  const [path = ''] = url.split('?', 1)
  const byShape = familyByShape(path)
  if (byShape !== 'openai-chat') return byShape
  return path.includes('/anthropic/') ? 'anthropic' : (natives.get(path.split('/', 2)[1] ?? '') ?? byShape)
}

interface Asked {
  readonly method: string
  /** Without query. */
  readonly path: string
  /** With its `?`; empty = none. */
  readonly query: string
}

const askedIn = (method: string, url: string): Asked => {
  const cut = url.indexOf('?')
  const path = cut < 0 ? url : url.slice(0, cut)
  if (!path.startsWith('/') || hasDotSegments(path))
    throw new UnmatchedPath(`${method} ${path} leads nowhere: a path begins with / and holds no . or .. segments.`)
  return { method, path, query: cut < 0 ? '' : url.slice(cut) }
}

const unknown = ({ method, path }: Asked, hint: string): WeirError =>
  new WeirError('unknown_path', `${method} ${path} leads nowhere. ${hint}`)

const found = (target: Target, helicone = false): Located => ({
  target,
  unifiedPath: null,
  helicone,
  elsewhere: { path: target.path, speaks: target, homeless: null },
})

/** A path at a provider, whose segment is known. */
const at = (provider: Provider, rest: string, segment: string | null, asked: Asked): Target => {
  const there = pathAt(provider, rest)
  if (there === null)
    throw unknown(
      asked,
      `${provider.name} takes paths that begin with ${provider.prefixes.map(({ path: prefix }) => prefix).join(' or ')}.`,
    )
  const route = routeOf(provider, asked.method, there.path.replaceAll(/%3a/gi, ':'), there.family)
  return { provider, origin: originOf(provider, segment), path: there.path + asked.query, route }
}

/** @param before What a path of this provider begins with, in messages. */
const atProvider = (provider: Provider, rest: string, before: string, asked: Asked): Target => {
  if (provider.segment === null || !provider.origin.includes('{segment}')) {
    if (provider.segment !== null) {
      // An azure, vertex or bedrock with an origin of the operator's: the segment may still be written, and is passed over.
      const after = rest.indexOf('/', 1)
      if (after > 0 && pathAt(provider, rest) === null) return at(provider, rest.slice(after), null, asked)
    }
    return at(provider, rest, null, asked)
  }
  const after = rest.indexOf('/', 1)
  const segment = after < 0 ? rest.slice(1) : rest.slice(1, after)
  // A forgotten segment would send the caller's key to whoever owns the name "openai": such a path is not guessed at.
  const forgotten = provider.prefixes.some((prefix) => rest.startsWith(prefix.path))
  if (!segmentForm.test(segment) || after < 0 || forgotten)
    throw unknown(
      asked,
      `${provider.name} needs its ${provider.segment} as the next segment: ${before}/<${provider.segment}>/...`,
    )
  return at(provider, rest.slice(after), segment, asked)
}

const underGateway = (asked: Asked, providers: LocateRules['providers']): Located => {
  const rest = asked.path.slice('/v1/gateway'.length)
  for (const [prefix, name] of [
    ['/oai', 'openai'],
    ['/anthropic', 'anthropic'],
  ] as const) {
    const provider = providers.get(name)
    if (rest.startsWith(`${prefix}/`) && provider !== undefined)
      return found(at(provider, rest.slice(prefix.length), null, asked), true)
  }
  throw unknown(asked, 'Under /v1/gateway only oai and anthropic are known.')
}

const unified = (rest: string, asked: Asked, { providers, config }: LocateRules): Located => {
  const { method, path, query } = asked
  const elsewhere = { path: `/v1${rest}${query}`, speaks: null, homeless: null }
  const provider = providers.get(config.defaultProvider)
  if (method === 'POST' && unifiedBodyPaths.has(rest))
    return { target: null, unifiedPath: rest + query, helicone: false, elsewhere }
  const root = provider?.roots['openai-chat']
  if (unifiedResources.test(rest) && provider !== undefined && root !== undefined) {
    const full = root + rest
    const route = routeOf(provider, method, full, 'openai-chat')
    const target = { provider, origin: originOf(provider, null), path: full + query, route }
    // Several providers may have models to tell of.
    return { target, unifiedPath: method === 'GET' && rest === '/models' ? rest : null, helicone: false, elsewhere }
  }
  const homeless = (): WeirError =>
    unifiedBodyPaths.has(rest)
      ? new WeirError('method_not_allowed', `${method} ${path}: this path takes POST alone.`)
      : unifiedResources.test(rest) && provider !== undefined
        ? unknown(asked, `The default provider ${provider.name} has no OpenAI paths.`)
        : unknown(asked, 'docs/headers.md lists the unified paths.')
  return { target: null, unifiedPath: null, helicone: false, elsewhere: { ...elsewhere, homeless } }
}

/** Behind the root of the unified paths; `null` = it is none. */
const unifiedRest = (path: string): string | null =>
  path.startsWith('/v1/')
    ? path.slice('/v1'.length)
    : path.startsWith('/ai/v1/')
      ? path.slice('/ai/v1'.length)
      : path.startsWith('/ai/')
        ? path.slice('/ai'.length)
        : null

const targetMissing = (): WeirError =>
  new WeirError(
    'target_missing',
    'A path under /gateway leads to the address in Weir-Target-URL, and there is none. Accepted is an http(s) URL, as https://api.example.com.',
    { param: 'Weir-Target-URL' },
  )

/** A path that leads where the caller says, and nowhere else. */
const atCallersAddress = (path: string, homeless = targetMissing): Located => ({
  target: null,
  unifiedPath: null,
  helicone: false,
  elsewhere: { path, speaks: null, homeless },
})

const locate = (method: string, url: string, rules: LocateRules): Located => {
  const asked = askedIn(method, url)
  const { path, query } = asked
  const { providers } = rules
  if (path.startsWith('/v1/gateway/')) return underGateway(asked, providers)
  const rest = unifiedRest(path)
  if (rest !== null) return unified(rest, asked, rules)
  const slash = path.indexOf('/', 1)
  const first = slash < 0 ? path.slice(1) : path.slice(1, slash)
  const behind = slash < 0 ? '/' : path.slice(slash)
  if (first === 'gateway') return atCallersAddress(behind + query)
  const provider = providers.get(first)
  if (provider !== undefined) return found(atProvider(provider, behind, `/${first}`, asked))
  const near = nearest(first, [...providers.keys()])
  throw new UnmatchedPath(
    near === null || first === ''
      ? `${method} ${path} leads nowhere. Base URLs look like /openai/v1, /anthropic, /gemini, /<provider> or /v1.`
      : `${method} ${path} leads nowhere. Did you mean /${near}${slash < 0 ? '' : path.slice(slash)}?`,
  )
}

/** Where a label before a name of `hostRouting` leads: the path is the provider's own, unchanged. */
const locateAtHost = (method: string, url: string, label: string, rules: LocateRules): Located => {
  const asked = askedIn(method, url)
  const { path, query } = asked
  if (label === 'gateway') return atCallersAddress(path + query)
  if (label === 'ai-gateway') {
    if (path.startsWith('/v1/gateway/')) return underGateway(asked, rules.providers)
    const rest = unifiedRest(path)
    if (rest === null) throw unknown(asked, 'Under this host paths begin with /v1/ or /ai/.')
    return unified(rest, asked, rules)
  }
  const provider = rules.providers.get(label)
  // Weir itself may be called like this.
  if (provider === undefined) return locate(method, url, rules)
  const notTaken = (): WeirError =>
    unknown(
      asked,
      `${provider.name} takes paths that begin with ${provider.prefixes.map(({ path: prefix }) => prefix).join(' or ')}.`,
    )
  // Helicone's oai host takes Azure's paths, too, beside the address of the resource in Helicone-OpenAI-Api-Base.
  const isTaken = provider.segment !== null || pathAt(provider, path)?.path === path
  return isTaken ? found(atProvider(provider, path, '', asked)) : atCallersAddress(path + query, notTaken)
}
