import type { ProviderConfig } from '../config/provider.js'

/** How a route's bodies are shaped, and so which reader takes them and which shape our own errors wear. */
export type Family = 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini' | 'cohere' | 'ollama' | 'bedrock'

export interface ProviderPrefix {
  readonly path: string
  readonly family: Family
}

/** One provider we can send to: data, whether built in (headers.md §2.2) or from weir.yaml. */
export interface Provider {
  readonly name: string
  readonly aliases: readonly string[]
  /** `scheme://host[:port]`; may hold `{segment}`, the path segment after the provider's name. */
  readonly origin: string
  /** The path carries a resource or region after the provider's name. */
  readonly segment: 'resource' | 'region' | null
  /** Prefixes that go to the origin unchanged; the longest wins. */
  readonly prefixes: readonly ProviderPrefix[]
  /** What takes the place of a leading `/v1/` that no prefix matched, and the root of the unified paths, by family. */
  readonly roots: { readonly 'openai-chat'?: string; readonly anthropic?: string }
  /** Where its key goes besides `Authorization: Bearer`. */
  readonly keyHeader: 'authorization' | 'x-api-key' | 'x-goog-api-key' | 'api-key' | null
  /** Its key of weir.yaml, in clear, for callers who bring none and may use it; `null` = none. Goes to its own origin alone. */
  readonly key: string | null
  /** Without a key it answers nobody, as is known. */
  readonly needsKey: boolean
  /** Sends it a traceparent of ours. */
  readonly propagate: boolean | 'all'
  /** Takes `stream_options.include_usage` for a chat or completion stream, as is known (wire.md §1.1). */
  readonly injectUsage: boolean
  /** What it tells of its own cost becomes the total (cost.md §4). */
  readonly trustCost: boolean
  readonly builtIn: boolean
}

const https = (host: string): string => `https://${host}`
const oc = 'openai-chat' as const

interface Row {
  readonly origin: string
  readonly aliases?: readonly string[]
  readonly segment?: 'resource' | 'region'
  readonly prefixes: readonly (readonly [string, Family])[]
  readonly openAiRoot?: string
  readonly anthropicRoot?: string
  readonly keyHeader?: Provider['keyHeader']
}

const openAiLike = (host: string, root = '/v1', aliases: readonly string[] = []): Row => ({
  origin: https(host),
  aliases,
  prefixes: [[`${root}/`, oc]],
  openAiRoot: root,
})

const table: Readonly<Record<string, Row>> = {
  openai: openAiLike('api.openai.com', '/v1', ['oai']),
  anthropic: {
    origin: https('api.anthropic.com'),
    prefixes: [
      ['/v1/chat/completions', oc],
      ['/v1/', 'anthropic'],
    ],
    openAiRoot: '/v1',
    anthropicRoot: '/v1',
    keyHeader: 'x-api-key',
  },
  gemini: {
    origin: https('generativelanguage.googleapis.com'),
    aliases: ['google'],
    prefixes: [
      ['/v1beta/openai/', oc],
      ['/v1beta/', 'gemini'],
      ['/v1/', 'gemini'],
      ['/upload/', 'gemini'],
      ['/ws/', 'gemini'],
    ],
    openAiRoot: '/v1beta/openai',
    keyHeader: 'x-goog-api-key',
  },
  vertex: {
    origin: https('{segment}-aiplatform.googleapis.com'),
    segment: 'region',
    prefixes: [
      ['/v1/', 'gemini'],
      ['/v1beta1/', 'gemini'],
      ['/ws/', 'gemini'],
    ],
  },
  azure: {
    origin: https('{segment}.openai.azure.com'),
    segment: 'resource',
    prefixes: [
      ['/openai/v1/', oc],
      ['/openai/', oc],
    ],
    openAiRoot: '/openai/v1',
    keyHeader: 'api-key',
  },
  'azure-ai': {
    origin: https('{segment}.services.ai.azure.com'),
    segment: 'resource',
    prefixes: [
      ['/models/', oc],
      ['/openai/v1/', oc],
      ['/voice-live/', oc],
      ['/anthropic/', 'anthropic'],
    ],
    openAiRoot: '/openai/v1',
    anthropicRoot: '/anthropic/v1',
    keyHeader: 'api-key',
  },
  bedrock: {
    origin: https('bedrock-runtime.{segment}.amazonaws.com'),
    segment: 'region',
    prefixes: [
      ['/model/', 'bedrock'],
      ['/openai/v1/', oc],
    ],
    openAiRoot: '/openai/v1',
  },
  cohere: {
    origin: https('api.cohere.com'),
    prefixes: [
      ['/v1/', 'cohere'],
      ['/v2/', 'cohere'],
      ['/compatibility/v1/', oc],
    ],
    openAiRoot: '/compatibility/v1',
  },
  ollama: {
    origin: 'http://127.0.0.1:11434',
    prefixes: [
      ['/api/', 'ollama'],
      ['/v1/', oc],
    ],
    openAiRoot: '/v1',
    keyHeader: null,
  },
  vllm: { origin: 'http://127.0.0.1:8000', prefixes: [['/v1/', oc]], openAiRoot: '/v1', keyHeader: null },
  deepseek: {
    origin: https('api.deepseek.com'),
    prefixes: [
      ['/anthropic/', 'anthropic'],
      ['/v1/', oc],
      ['/chat/', oc],
      ['/responses', oc],
      ['/beta/', oc],
      ['/models', oc],
    ],
    openAiRoot: '/v1',
    anthropicRoot: '/anthropic/v1',
  },
  perplexity: {
    origin: https('api.perplexity.ai'),
    prefixes: [
      ['/v1/responses', oc],
      ['/chat/completions', oc],
    ],
    openAiRoot: '',
  },
  zai: {
    origin: https('api.z.ai'),
    prefixes: [
      ['/api/anthropic/', 'anthropic'],
      ['/api/paas/v4/', oc],
    ],
    openAiRoot: '/api/paas/v4',
    anthropicRoot: '/api/anthropic/v1',
  },
  groq: openAiLike('api.groq.com', '/openai/v1'),
  openrouter: openAiLike('openrouter.ai', '/api/v1'),
  fireworks: openAiLike('api.fireworks.ai', '/inference/v1'),
  deepinfra: openAiLike('api.deepinfra.com', '/v1/openai'),
  novita: openAiLike('api.novita.ai', '/v3/openai'),
  llama: openAiLike('api.llama.com', '/compat/v1'),
  xai: openAiLike('api.x.ai', '/v1', ['x']),
  mistral: openAiLike('api.mistral.ai'),
  together: openAiLike('api.together.ai'),
  cerebras: openAiLike('api.cerebras.ai'),
  nebius: openAiLike('api.tokenfactory.nebius.com'),
  nvidia: openAiLike('integrate.api.nvidia.com'),
  hyperbolic: openAiLike('api.hyperbolic.xyz'),
  moonshot: openAiLike('api.moonshot.ai'),
  hf: openAiLike('router.huggingface.co'),
  vercel: openAiLike('ai-gateway.vercel.sh'),
}

const takesIncludeUsage = new Set(['openai', 'azure', 'openrouter', 'vllm'])
const tellsItsCost = new Set(['openrouter', 'xai', 'perplexity', 'vercel'])

const fromRow = (name: string, row: Row): Provider => ({
  name,
  aliases: row.aliases ?? [],
  origin: row.origin,
  segment: row.segment ?? null,
  prefixes: row.prefixes.map(([path, family]) => ({ path, family })).sort((a, b) => b.path.length - a.path.length),
  roots: {
    ...(row.openAiRoot === undefined ? {} : { 'openai-chat': row.openAiRoot }),
    ...(row.anthropicRoot === undefined ? {} : { anthropic: row.anthropicRoot }),
  },
  keyHeader: row.keyHeader === undefined ? 'authorization' : row.keyHeader,
  key: null,
  needsKey: row.keyHeader !== null,
  propagate: false,
  injectUsage: takesIncludeUsage.has(name),
  trustCost: tellsItsCost.has(name),
  builtIn: true,
})

/** The providers that need no configuration, by name. */
export const builtInProviders: ReadonlyMap<string, Provider> = new Map(
  Object.entries(table).map(([name, row]) => [name, fromRow(name, row)]),
)

/** Words of our own paths that no provider may be called (headers.md §2.1). */
const ownWords = new Set(['v1', 'ai', 'gateway', 'weir', 'helicone', 'healthz', 'healthcheck', 'readyz', 'metrics', 'internal'])

const longestFirst = (prefixes: readonly ProviderPrefix[]): ProviderPrefix[] =>
  [...prefixes].sort((a, b) => b.path.length - a.path.length)

/** What a root makes of the paths of a family. Anthropic's clients put `/v1` before everything, so its roots end in it. */
const rootsOf = (prefixes: readonly ProviderPrefix[]): Provider['roots'] => {
  const rootOf = (family: Family): string | undefined => prefixes.find((prefix) => prefix.family === family)?.path.slice(0, -1)
  const openAi = rootOf('openai-chat')
  const anthropic = rootOf('anthropic')
  return {
    ...(openAi === undefined ? {} : { 'openai-chat': openAi }),
    ...(anthropic === undefined ? {} : { anthropic: anthropic.endsWith('/v1') ? anthropic : `${anthropic}/v1` }),
  }
}

const own = (name: string, config: ProviderConfig): Provider => {
  const family = config.family ?? 'openai-chat'
  const byRoot = config.root === undefined && config.prefixes !== undefined ? [] : [{ path: `${config.root ?? '/v1'}/`, family }]
  const prefixes = [...byRoot, ...(config.prefixes ?? [])]
  return {
    name,
    aliases: [],
    origin: config.origin ?? '',
    segment: null,
    prefixes: longestFirst(prefixes),
    roots:
      byRoot.length > 0 && family === 'anthropic' ? { ...rootsOf(prefixes), anthropic: config.root ?? '/v1' } : rootsOf(prefixes),
    keyHeader:
      config.auth === 'none'
        ? null
        : family === 'anthropic'
          ? 'x-api-key'
          : family === 'gemini'
            ? 'x-goog-api-key'
            : 'authorization',
    key: config.key ?? null,
    needsKey: config.auth === 'bearer',
    propagate: config.propagate ?? false,
    injectUsage: config.injectUsage ?? false,
    trustCost: config.trustCost ?? false,
    builtIn: false,
  }
}

/** The root that weir.yaml gives a built-in provider takes the place of that of its API: Anthropic's at `anthropic`, OpenAI's elsewhere. */
const rooted = ({ roots, prefixes, name }: Provider, root: string | undefined): Pick<Provider, 'roots' | 'prefixes'> => {
  if (root === undefined) return { roots, prefixes }
  const family = name === 'anthropic' ? 'anthropic' : 'openai-chat'
  const before = roots[family]
  return {
    roots: { ...roots, [family]: root },
    prefixes: [
      ...prefixes.filter((prefix) => prefix.family !== family || prefix.path !== `${before}/`),
      { path: `${root}/`, family },
    ],
  }
}

const changed = (provider: Provider, change: ProviderConfig): Provider => {
  const { roots, prefixes } = rooted(provider, change.root)
  const own = change.prefixes ?? []
  const builtIn = change.origin === undefined
  const keyHeader =
    change.auth === 'none' ? null : change.auth === 'bearer' ? (provider.keyHeader ?? 'authorization') : provider.keyHeader
  return {
    ...provider,
    origin: change.origin ?? provider.origin,
    roots,
    prefixes: longestFirst([...own, ...prefixes.filter(({ path }) => own.every((each) => each.path !== path))]),
    keyHeader,
    key: change.key ?? null,
    needsKey: keyHeader !== null && (builtIn || change.auth === 'bearer'),
    propagate: change.propagate ?? provider.propagate,
    injectUsage: change.injectUsage ?? provider.injectUsage,
    trustCost: change.trustCost ?? provider.trustCost,
    builtIn,
  }
}

/** Why weir.yaml cannot mean a provider by this name and with these settings; `null` = it can. */
export const providerFault = (name: string, change: ProviderConfig): string | null => {
  const known = builtInProviders.get(name)
  if (change.auth === 'none' && change.key !== undefined)
    return 'a key and auth: none contradict each other; leave one of them out.'
  if (known !== undefined)
    return change.key !== undefined && known.segment === 'resource' && change.origin === undefined
      ? `a key of ${name} is one of a resource: give it to a target (targets, with provider: ${name}, resource and key), or say origin here.`
      : null
  const alias = [...builtInProviders.values()].find(({ aliases }) => aliases.includes(name))
  if (alias !== undefined) return `"${name}" is an alias of the built-in provider "${alias.name}".`
  if (ownWords.has(name)) return `"${name}" is a word of Weir's own paths; choose another name.`
  return change.origin === undefined ? 'an own provider needs an origin, as http://10.0.0.5:8000.' : null
}

/**
 * All providers under a configuration, by name and alias.
 *
 * @throws Error in a sentence for the operator: `providerFault`.
 */
export const providersFrom = ({
  providers,
}: {
  readonly providers: Readonly<Record<string, ProviderConfig>>
}): ReadonlyMap<string, Provider> => {
  const all = new Map<string, Provider>()
  for (const [name, change] of Object.entries(providers)) {
    const fault = providerFault(name, change)
    if (fault !== null) throw new Error(`providers.${name}: ${fault}`)
  }
  for (const provider of builtInProviders.values()) {
    const change = providers[provider.name]
    const configured = change === undefined ? provider : changed(provider, change)
    for (const name of [configured.name, ...configured.aliases]) all.set(name, configured)
  }
  for (const [name, change] of Object.entries(providers)) if (!builtInProviders.has(name)) all.set(name, own(name, change))
  return all
}

/** The origin for one call: `{segment}` filled in. Vertex's `global` has no prefix. */
export const originOf = (provider: Provider, segment: string | null): string =>
  segment === null
    ? provider.origin
    : provider.name === 'vertex' && segment === 'global'
      ? provider.origin.replace('{segment}-', '')
      : provider.origin.replace('{segment}', segment)

const segmentForm = /^[a-z0-9-]{1,63}$/

/** Whether an origin is the provider's own: for one with a region, that of any of them. */
export const isOriginOf = (provider: Provider, origin: string): boolean => {
  const [before = '', after] = provider.origin.split('{segment}')
  if (after === undefined) return origin === provider.origin
  if (origin === originOf(provider, 'global') && provider.name === 'vertex') return true
  return (
    origin.startsWith(before) &&
    origin.endsWith(after) &&
    segmentForm.test(origin.slice(before.length, origin.length - after.length))
  )
}
