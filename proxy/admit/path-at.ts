import { percentEncoded } from '../../core/percent-encoded.js'
import { originOf, type Provider } from '../../core/providers/registry.js'
import { routeOf } from '../../core/providers/routes.js'
import type { Call, Target } from '../call.js'

/** A call's path at a provider. */
export interface PathAt {
  readonly target: Target
  /** The path tells the model. */
  readonly modelInPath: boolean
}

/** What OpenAI's and Anthropic's APIs are called behind any root. */
const openAiEnding =
  /\/(?:chat\/completions|completions|embeddings|responses(?:\/compact|\/input_tokens)?|moderations|rerank|ocr|audio\/(?:speech|transcriptions|translations)|images\/(?:generations|edits|variations))$/
const anthropicEnding = /\/messages(?:\/count_tokens)?$/

/** The model in a path: Gemini's and Vertex's, Bedrock's, an Azure deployment. */
const modelPlaces: readonly RegExp[] = [
  /(\/(?:models|tunedModels)\/)([^/:?]+)(?=:)/,
  /^(\/model\/)([^?]+?)(?=\/(?:converse|invoke|count-tokens)[a-z-]*$)/,
  /(\/openai\/deployments\/)([^/?]+)/,
]

const placeOf = (path: string): RegExp | null => modelPlaces.find((place) => place.test(path)) ?? null

/** Vertex has its region in the path, too. */
const inRegion = (path: string, provider: Provider, segment: string | null): string =>
  provider.name === 'vertex' && segment !== null ? path.replace(/(\/locations\/)[^/]+/, `$1${segment}`) : path

const sameProvider = (method: string, own: Target, { provider, model, segment }: Place): PathAt => {
  const cut = own.path.indexOf('?')
  const path = cut < 0 ? own.path : own.path.slice(0, cut)
  const query = cut < 0 ? '' : own.path.slice(cut)
  const place = placeOf(path)
  if (segment === undefined && (place === null || model === null)) return { target: own, modelInPath: place !== null }
  const named =
    place === null || model === null ? path : path.replace(place, (_, before: string) => before + percentEncoded(model))
  const there = inRegion(named, provider, segment ?? null)
  return {
    target: {
      provider,
      origin: segment === undefined ? own.origin : originOf(provider, segment),
      path: there + query,
      route: routeOf(provider, method, there.replaceAll(/%3a/gi, ':'), own.route.family),
    },
    modelInPath: place !== null,
  }
}

/** Somebody a call may go to. */
interface Place {
  readonly provider: Provider
  /** `null` = the same. */
  readonly model: string | null
  /** Resource or region; `null` = it has none; absent = that of the call, if it is the same provider. */
  readonly segment?: string | null | undefined
}

/** The same path at another provider that has it, too, in the same wire family. */
const samePath = (call: Call, own: Target, origin: string, { provider, model }: Place): PathAt | null => {
  const { family } = own.route
  const prefix = provider.prefixes.find(({ path }) => own.path.startsWith(path))
  if (prefix?.family !== family) return null
  const there = sameProvider(call.method, own, { provider, model })
  const { path } = there.target
  return {
    ...there,
    target: {
      provider,
      origin,
      path,
      route: routeOf(provider, call.method, path.replace(/\?.*$/s, '').replaceAll(/%3a/gi, ':'), family),
    },
  }
}

/**
 * Where a call would go at another provider, or for another model at its own: the same API at that provider's root.
 *
 * @param own Where it goes itself.
 * @returns `null` when the provider does not offer the API, or has no address without a resource or region.
 */
export const pathAtProvider = (call: Call, own: Target, place: Place): PathAt | null => {
  const { provider, segment = null } = place
  // At an address of the caller's, paths need not be the provider's.
  if (provider.name === own.provider.name && own.byCaller !== true) return sameProvider(call.method, own, place)
  if (provider.origin.includes('{segment}') && segment === null) return null
  const origin = originOf(provider, segment)
  const isAnthropic = own.route.family === 'anthropic'
  if (!isAnthropic && own.route.family !== 'openai-chat' && own.route.family !== 'openai-responses')
    return samePath(call, own, origin, place)
  const cut = own.path.indexOf('?')
  const root = provider.roots[isAnthropic ? 'anthropic' : 'openai-chat']
  const ending = (isAnthropic ? anthropicEnding : openAiEnding).exec(cut < 0 ? own.path : own.path.slice(0, cut))?.[0]
  if (root === undefined || ending === undefined) return null
  const path = root + ending
  const query =
    cut < 0
      ? ''
      : own.path
          .slice(cut)
          .replace(/[?&]api-version=[^&]*/g, '')
          .replace(/^&/, '?')
  return {
    target: {
      provider,
      origin,
      path: path + query,
      route: routeOf(provider, call.method, path, isAnthropic ? 'anthropic' : 'openai-chat'),
    },
    modelInPath: false,
  }
}
