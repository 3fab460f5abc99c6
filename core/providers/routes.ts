import { matchesPattern } from '../name-pattern.js'
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
type Endings = readonly (readonly [string, Api])[]

const chat: Api = { api: 'chat', operation: 'chat' }
const embeddings: Api = { api: 'embeddings', operation: 'embeddings' }
const rerank: Api = { api: 'rerank', operation: 'rerank' }
const countTokens: Api = { api: 'count_tokens', operation: '' }

/** By the end of a POST's path; the first that fits decides. */
const openAiApis: Endings = [
  ['/chat/completions', chat],
  ['/completions', { api: 'completions', operation: 'text_completion' }],
  ['/embeddings', embeddings],
  ['/responses/input_tokens', countTokens],
  ['/responses', { api: 'responses', operation: 'chat' }],
  ['/responses/compact', { api: 'responses', operation: 'chat' }],
  ['/audio/transcriptions', { api: 'transcription', operation: 'transcription' }],
  ['/audio/translations', { api: 'transcription', operation: 'transcription' }],
  ['/audio/speech', { api: 'speech', operation: 'speech' }],
  ['/images/generations', { api: 'images', operation: 'images' }],
  ['/images/edits', { api: 'images', operation: 'images' }],
  ['/images/variations', { api: 'images', operation: 'images' }],
  ['/moderations', { api: 'moderations', operation: 'moderation' }],
  ['/ocr', { api: 'ocr', operation: 'ocr' }],
  ['/rerank', rerank],
  // Mistral and other publishers on Vertex.
  [':streamRawPredict', chat],
  [':rawPredict', chat],
]
const anthropicApis: Endings = [
  ['/messages/count_tokens', countTokens],
  ['/count-tokens:rawPredict', countTokens],
  ['/messages', { api: 'messages', operation: 'chat' }],
  [':streamRawPredict', { api: 'messages', operation: 'chat' }],
  [':rawPredict', { api: 'messages', operation: 'chat' }],
]
const geminiApis: Endings = [
  [':generateContent', { api: 'generate_content', operation: 'generate_content' }],
  [':streamGenerateContent', { api: 'generate_content', operation: 'generate_content' }],
  [':embedContent', { api: 'embed_content', operation: 'embeddings' }],
  [':batchEmbedContents', { api: 'embed_content', operation: 'embeddings' }],
  [':countTokens', { api: 'count_content_tokens', operation: '' }],
  [':predict', { api: 'predict', operation: 'generate_content' }],
  ['/interactions', { api: 'interactions', operation: 'generate_content' }],
]
const cohereApis: Endings = [
  ['/chat', chat],
  ['/embed', embeddings],
  ['/rerank', rerank],
]
const ollamaApis: Endings = [
  ['/chat', chat],
  ['/generate', { api: 'completions', operation: 'text_completion' }],
  ['/embed', embeddings],
  ['/embeddings', embeddings],
]
const bedrockApis: Endings = [
  ['/converse', { api: 'converse', operation: 'chat' }],
  ['/converse-stream', { api: 'converse', operation: 'chat' }],
  ['/invoke', { api: 'invoke', operation: 'chat' }],
  ['/invoke-with-response-stream', { api: 'invoke', operation: 'chat' }],
  ['/count-tokens', countTokens],
]

const posted: Readonly<Record<Family, Endings>> = {
  'openai-chat': openAiApis,
  'openai-responses': openAiApis,
  anthropic: anthropicApis,
  gemini: geminiApis,
  cohere: cohereApis,
  ollama: ollamaApis,
  bedrock: bedrockApis,
}

/** Reads that tell usage: a response that was made in the background, a batch. Everything else that is read is relayed. */
const reads: readonly (readonly [RegExp, Api])[] = [
  [/\/responses\/[^/]+$/, { api: 'responses', operation: 'chat' }],
  [/\/batches\/[^/]+$/, { api: 'batch', operation: '' }],
]
const geminiReads: readonly (readonly [RegExp, Api])[] = [
  [/\/interactions\/[^/]+$/, { api: 'interactions', operation: 'generate_content' }],
]

const familyByPath = (provider: Provider, path: string, told: Family): Family => {
  if (provider.name === 'vertex')
    return path.includes('/publishers/anthropic/')
      ? 'anthropic'
      : path.includes('/endpoints/openapi') || /\/publishers\/(?!google\/)[^/]+\/models\/[^/]+:(?:streamR|r)awPredict$/.test(path)
        ? 'openai-chat'
        : 'gemini'
  return told === 'openai-chat' && /\/responses(?:\/|$)/.test(path) ? 'openai-responses' : told
}

const embeds = /[./]?(?:embed|titan-e1t)/

const apiOf = (family: Family, method: string, path: string): Api | null => {
  if (method === 'POST') {
    const found = posted[family].find(([ending]) => path.endsWith(ending))?.[1] ?? null
    // One path for all models of Bedrock: what it does is in the model's name.
    if (found?.api === 'invoke' && embeds.test(path)) return { api: 'invoke', operation: 'embeddings' }
    return found
  }
  if (method !== 'GET') return null
  if (family === 'gemini') return geminiReads.find(([pattern]) => pattern.test(path))?.[1] ?? null
  if (family === 'openai-chat' || family === 'openai-responses') return reads.find(([pattern]) => pattern.test(path))?.[1] ?? null
  return null
}

/** Paths of WebSockets: one row for the connection, and one for each response that comes over it. */
const sessions = { openai: /\/(?:realtime|realtime\/translations|live)$/, gemini: /^\/ws\/.*BidiGenerateContent[A-Za-z]*$/ }

/**
 * What a request to a provider is.
 *
 * @param path Path at the provider's origin, without query.
 * @param told Family of the prefix that matched.
 */
export const routeOf = (provider: Provider, method: string, path: string, told: Family): Route => {
  const family = familyByPath(provider, path, told)
  if (method === 'GET' && sessions[family === 'gemini' ? 'gemini' : 'openai'].test(path))
    return { lane: 'relay', family, api: 'realtime_session', operation: '' }
  const found = apiOf(family, method, path)
  return found === null ? { lane: 'relay', family, api: '', operation: '' } : { lane: 'llm', family, ...found }
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
    if (found !== undefined && matchesPattern(match, name)) return { provider: found, model: name }
  }
  for (const [pattern, provider] of bareNames) {
    const found = providers.get(provider)
    if (found !== undefined && pattern.test(name)) return { provider: found, model: name }
  }
  return null
}
