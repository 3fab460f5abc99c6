import type { Provider } from '../../core/providers/registry.js'
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

const sameProvider = (method: string, own: Target, cut: number, model: string | null): PathAt => {
  const path = cut < 0 ? own.path : own.path.slice(0, cut)
  const query = cut < 0 ? '' : own.path.slice(cut)
  const place = placeOf(path)
  if (place === null || model === null) return { target: own, modelInPath: place !== null }
  const there = path.replace(place, (_, before: string) => before + encodeURIComponent(model))
  return {
    target: {
      ...own,
      path: there + query,
      route: routeOf(own.provider, method, there.replaceAll(/%3a/gi, ':'), own.route.family),
    },
    modelInPath: true,
  }
}

/**
 * Where a call would go at another provider, or for another model at its own: the same API at that provider's root.
 *
 * @param own Where it goes itself.
 * @returns `null` when the provider does not offer the API, or has no address without a resource or region.
 */
export const pathAtProvider = (call: Call, own: Target, provider: Provider, model: string | null): PathAt | null => {
  const cut = own.path.indexOf('?')
  if (provider.name === own.provider.name) return sameProvider(call.method, own, cut, model)
  if (provider.origin.includes('{segment}')) return null
  const isAnthropic = own.route.family === 'anthropic'
  if (!isAnthropic && own.route.family !== 'openai-chat' && own.route.family !== 'openai-responses') return null
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
      origin: provider.origin,
      path: path + query,
      route: routeOf(provider, call.method, path, isAnthropic ? 'anthropic' : 'openai-chat'),
    },
    modelInPath: false,
  }
}
