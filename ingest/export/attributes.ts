import type { Enriched } from '../enrich/enriched.js'
import type { Attributes } from './span.js'

type Value = string | number | boolean | readonly string[] | null

/** Leaves out what is not known: null, empty text, an empty list. */
export const known = (pairs: Readonly<Record<string, Value>>): Attributes => {
  const attributes: Attributes = {}
  for (const [key, value] of Object.entries(pairs))
    if (value !== null && value !== '' && !(Array.isArray(value) && value.length === 0)) attributes[key] = value as string
  return attributes
}

/** Ours to OpenTelemetry's names of providers (traces.md §2); others go out as they are. */
const providerNames: Readonly<Record<string, string>> = {
  gemini: 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  azure: 'azure.ai.openai',
  bedrock: 'aws.bedrock',
  mistral: 'mistral_ai',
  moonshot: 'moonshot_ai',
  xai: 'x_ai',
}
export const providerName = (provider: string): string => providerNames[provider] ?? provider

const finishReasons: Readonly<Record<string, string>> = {
  stop: 'stop',
  end_turn: 'stop',
  stop_sequence: 'stop',
  completed: 'stop',
  complete: 'stop',
  length: 'length',
  max_tokens: 'length',
  max_output_tokens: 'length',
  incomplete: 'length',
  model_context_window_exceeded: 'length',
  content_filter: 'content_filter',
  safety: 'content_filter',
  refusal: 'content_filter',
  recitation: 'content_filter',
  prohibited_content: 'content_filter',
  tool_calls: 'tool_call',
  tool_use: 'tool_call',
  tool_call: 'tool_call',
  function_call: 'tool_call',
  error: 'error',
  failed: 'error',
  malformed_function_call: 'error',
}
const finishReason = (reason: string): string => finishReasons[reason.toLowerCase()] ?? reason

/** `host:port`, `[::1]:443` or a bare host. */
export const serverAttributes = (address: string): Attributes => {
  const [, host = '', port = ''] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(address) ?? []
  return known({ 'server.address': host, 'server.port': port === '' ? null : Number(port) })
}

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const parsed = (text: string): Json => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** The sampling parameters a caller asked for, in any family's spelling. */
export const requestParameters = ({ bodies }: Enriched): Readonly<Record<string, number | readonly string[]>> => {
  if (bodies === null || bodies.request_state !== 'stored' || !bodies.request_body.startsWith('{')) return {}
  const body = parsed(bodies.request_body)
  const from = isObject(body['generationConfig']) ? body['generationConfig'] : body
  const found: Record<string, number | readonly string[]> = {}
  const number = (name: string, ...spellings: readonly string[]): void => {
    const value = spellings.map((spelling) => from[spelling]).find((candidate) => typeof candidate === 'number')
    if (typeof value === 'number') found[name] = value
  }
  number('max_tokens', 'max_completion_tokens', 'max_tokens', 'max_output_tokens', 'maxOutputTokens')
  number('temperature', 'temperature')
  number('top_p', 'top_p', 'topP')
  number('top_k', 'top_k', 'topK')
  number('seed', 'seed')
  number('frequency_penalty', 'frequency_penalty', 'frequencyPenalty')
  number('presence_penalty', 'presence_penalty', 'presencePenalty')
  const stop = from['stop'] ?? from['stop_sequences'] ?? from['stopSequences']
  const stops = (Array.isArray(stop) ? stop : [stop]).filter((text): text is string => typeof text === 'string')
  if (stops.length > 0) found['stop_sequences'] = stops
  number('choice.count', 'n', 'candidateCount')
  if (found['choice.count'] === 1) delete found['choice.count'] // the convention: only if it is not 1
  return found
}

/** `gen_ai.*` of a call that was read; a call of the pass-through lane has none. */
const genAi = (enriched: Enriched): Attributes => {
  const { row, usage } = enriched
  if (row.operation === '') return {}
  const parameters = Object.entries(requestParameters(enriched)).map(([name, value]) => [`gen_ai.request.${name}`, value])
  return known({
    'gen_ai.operation.name': row.operation,
    'gen_ai.provider.name': providerName(row.provider),
    'gen_ai.request.model': row.request_model,
    'gen_ai.response.model': row.response_model,
    'gen_ai.response.id': row.response_id,
    'gen_ai.request.stream': row.streaming ? true : null,
    ...(Object.fromEntries(parameters) as Record<string, Value>),
    'gen_ai.response.finish_reasons': row.finish_reason === '' ? null : [finishReason(row.finish_reason)],
    'gen_ai.response.time_to_first_chunk':
      row.streaming && row.time_to_first_chunk_ms !== null ? row.time_to_first_chunk_ms / 1000 : null,
    'gen_ai.usage.input_tokens': usage.inputTokens,
    'gen_ai.usage.output_tokens': usage.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cacheReadTokens,
    // Renamed after release 1.41.0 of the conventions: both spellings.
    'gen_ai.usage.cache_write.input_tokens': usage.cacheWriteTokens,
    'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens,
    'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
    'gen_ai.usage.audio.input_tokens': usage.inputAudioTokens,
    'gen_ai.usage.audio.output_tokens': usage.outputAudioTokens,
    'gen_ai.usage.image.input_tokens': usage.inputImageTokens,
    'gen_ai.usage.image.output_tokens': usage.outputImageTokens,
    'gen_ai.conversation.id': row.session_id,
    'gen_ai.prompt.name': row.prompt_id,
    'gen_ai.prompt.version': row.prompt_version,
    'gen_ai.usage.cost': row.cost_total === null ? null : Number(row.cost_total),
  })
}

/** The first `limit` characters, never half of one. */
const firstCharacters = (text: string, limit: number): string =>
  text.length <= limit
    ? text
    : Array.from(text.slice(0, limit * 2))
        .slice(0, limit)
        .join('')

export const previews = ({ row }: Enriched): { readonly input: string; readonly output: string } => ({
  input: firstCharacters(row.input_preview, 300),
  output: firstCharacters(row.output_preview, 300),
})

/** Attributes of the call's own span (traces.md §2): it alone carries usage and cost. */
export const callAttributes = (enriched: Enriched, content: 'none' | 'preview'): Attributes => {
  const { row, exchange } = enriched
  const preview = content === 'preview' ? previews(enriched) : { input: '', output: '' }
  return {
    ...genAi(enriched),
    ...known({
      'session.id': row.session_id,
      'user.id': row.user_id,
      'http.request.method': row.operation === '' ? methodOf(row.endpoint) : null,
    }),
    ...serverAttributes(row.server_address),
    ...known({
      'http.response.status_code': row.status === 0 ? null : row.status,
      'error.type': errorType(enriched),
      'weir.cost.total': row.cost_total,
      'weir.cost.status': row.cost_status,
      'weir.cost.saved': row.cost_saved,
      'weir.request.id': row.request_id,
      'weir.tenant': row.tenant_id,
      'weir.key.id': row.key_id,
      'weir.outcome': row.outcome,
      'weir.cache.status': row.cache_status,
      'weir.attempts': exchange.attempts.length,
      'weir.usage.source': row.usage_source,
      'weir.usage.reason': row.usage_reason,
      'weir.session.path': row.session_path,
      'weir.altered': row.altered,
      'weir.tags': row.tags,
      ...Object.fromEntries(Object.entries(row.properties).map(([key, value]) => [`weir.property.${key}`, value])),
      'weir.preview.input': preview.input,
      'weir.preview.output': preview.output,
    }),
  }
}

export const methodOf = (endpoint: string): string => endpoint.split(' ', 1)[0] ?? ''
const pathOf = (endpoint: string): string => endpoint.slice(methodOf(endpoint).length + 1)

/** Attributes of the span that stands for the request to Weir. */
export const serverSpanAttributes = (enriched: Enriched): Attributes => {
  const { row, exchange } = enriched
  const userAgent = exchange.reqHeaders.find(([name]) => name.toLowerCase() === 'user-agent')?.[1] ?? null
  return known({
    'http.request.method': methodOf(row.endpoint),
    'url.path': pathOf(row.endpoint), // ids and keys are masked in it, so it is the route as well
    'http.route': pathOf(row.endpoint),
    'http.response.status_code': row.status === 0 ? null : row.status,
    'user_agent.original': userAgent,
    'error.type': failed(enriched, 500) ? errorType(enriched) : null,
    'weir.request.id': row.request_id,
  })
}

const failedOutcomes = new Set(['refused', 'upstream_abort', 'error_event', 'stall', 'proxy_lost'])

/** Does the span's status say ERROR? A client that left is no error. */
export const failed = ({ row }: Enriched, fromStatus: 400 | 500): boolean =>
  failedOutcomes.has(row.outcome) || (row.outcome !== 'client_abort' && row.status >= fromStatus)

const errorType = (enriched: Enriched): string | null => {
  const { row } = enriched
  if (row.error_kind !== '') return row.error_kind
  return failed(enriched, 400) ? (row.status >= 400 ? String(row.status) : row.outcome) : null
}

/** At most `limit` bytes of UTF-8, never half a character. */
export const firstBytes = (text: string, limit: number): string => {
  const bytes = Buffer.from(text)
  if (bytes.length <= limit) return text
  let end = limit
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
