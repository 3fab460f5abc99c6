import type { Family, Provider } from './registry.js'

/** What a path of a provider is, once the provider is known. */
export interface Route {
  /** `llm`: held, read, recorded in full. `relay`: passed on unread. */
  readonly lane: 'llm' | 'relay'
  readonly family: Family
  /** `chat`, `responses`, `messages`, `generate_content` ...; empty when relayed unread. */
  readonly api: string
  /** OTel GenAI operation; empty when relayed unread. */
  readonly operation: string
}

interface Api {
  readonly api: string
  readonly operation: string
}

const openAiApis: readonly (readonly [string, Api])[] = [
  ['/chat/completions', { api: 'chat', operation: 'chat' }],
  ['/completions', { api: 'completions', operation: 'text_completion' }],
  ['/embeddings', { api: 'embeddings', operation: 'embeddings' }],
  ['/responses', { api: 'responses', operation: 'chat' }],
]
const anthropicApis: readonly (readonly [string, Api])[] = [
  ['/messages/count_tokens', { api: 'count_tokens', operation: '' }],
  ['/messages', { api: 'messages', operation: 'chat' }],
  [':streamRawPredict', { api: 'messages', operation: 'chat' }],
  [':rawPredict', { api: 'messages', operation: 'chat' }],
]
const geminiApis: readonly (readonly [string, Api])[] = [
  [':generateContent', { api: 'generate_content', operation: 'generate_content' }],
  [':streamGenerateContent', { api: 'generate_content', operation: 'generate_content' }],
  [':embedContent', { api: 'embed_content', operation: 'embeddings' }],
  [':batchEmbedContents', { api: 'embed_content', operation: 'embeddings' }],
  [':countTokens', { api: 'count_content_tokens', operation: '' }],
]

const apisOf = (family: Family): readonly (readonly [string, Api])[] =>
  family === 'openai-chat' || family === 'openai-responses'
    ? openAiApis
    : family === 'anthropic'
      ? anthropicApis
      : family === 'gemini'
        ? geminiApis
        : []

const familyByPath = (provider: Provider, path: string, told: Family): Family => {
  if (provider.name === 'vertex')
    return path.includes('/publishers/anthropic/') ? 'anthropic' : path.includes('/endpoints/openapi') ? 'openai-chat' : 'gemini'
  return told === 'openai-chat' && path.endsWith('/responses') ? 'openai-responses' : told
}

/**
 * What a request to a provider is.
 *
 * @param path Path at the provider's origin, without query.
 * @param told Family of the prefix that matched.
 */
export const routeOf = (provider: Provider, method: string, path: string, told: Family): Route => {
  const family = familyByPath(provider, path, told)
  if (method === 'POST')
    for (const [ending, api] of apisOf(family)) if (path.endsWith(ending)) return { lane: 'llm', family, ...api }
  return { lane: 'relay', family, api: '', operation: '' }
}

/**
 * Where `rest`, the path behind the provider's name, lies at the provider.
 *
 * @returns The path and the family its prefix told; `null` = no such path, never forwarded.
 */
export const pathAt = (provider: Provider, rest: string): { readonly path: string; readonly family: Family } | null => {
  for (const { path, family } of provider.prefixes)
    if (rest.startsWith(path) || (path.endsWith('/') ? false : rest === path)) return { path: rest, family }
  const root = provider.roots['openai-chat']
  if (root !== undefined && rest.startsWith('/v1/')) return { path: root + rest.slice(3), family: 'openai-chat' }
  return null
}

const bareNames: readonly (readonly [RegExp, string])[] = [
  [/^(gpt-|o\d|text-embedding-|chatgpt-)/, 'openai'],
  [/^claude-/, 'anthropic'],
  [/^gemini-/, 'gemini'],
  [/^(mistral-|codestral-)/, 'mistral'],
  [/^grok-/, 'xai'],
  [/^deepseek-/, 'deepseek'],
  [/^(command-|rerank-)/, 'cohere'],
  [/^sonar/, 'perplexity'],
]

/** `llama-*`, `*` as in weir.yaml's `models`. */
const matches = (pattern: string, name: string): boolean => {
  const [head = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === name
  if (!name.startsWith(head)) return false
  let at = head.length
  for (const [i, part] of rest.entries()) {
    if (i === rest.length - 1) return name.length - part.length >= at && name.endsWith(part)
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return true
}

/**
 * Which provider serves a model name on the unified path (headers.md §2.3), and what the provider calls the model.
 *
 * @returns `null` when nothing tells: never a guess.
 */
export const resolveModel = (
  name: string,
  providers: ReadonlyMap<string, Provider>,
  patterns: readonly { readonly match: string; readonly provider: string }[],
): { readonly provider: Provider; readonly model: string } | null => {
  const first = name.indexOf('/')
  if (first > 0) {
    const head = providers.get(name.slice(0, first))
    if (head !== undefined && first < name.length - 1) return { provider: head, model: name.slice(first + 1) }
    const last = name.lastIndexOf('/')
    const tail = providers.get(name.slice(last + 1))
    if (tail !== undefined) return { provider: tail, model: name.slice(0, last) }
  }
  for (const { match, provider } of patterns) {
    const found = providers.get(provider)
    if (found !== undefined && matches(match, name)) return { provider: found, model: name }
  }
  for (const [pattern, provider] of bareNames) {
    const found = providers.get(provider)
    if (found !== undefined && pattern.test(name)) return { provider: found, model: name }
  }
  return null
}
