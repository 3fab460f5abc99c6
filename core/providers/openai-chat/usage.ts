import { decimalOf, picoOf, usdOf } from '../../prices/money.js'
import type { Raw } from '../../exchange.js'
import type { Tokens, Usage } from '../../usage.js'
import { isObject, objectAt, textAt, type JsonObject } from '../json-text.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, wordOf, type Notes } from '../usage-fields.js'

/** Decimal USD of a told figure; exponents and floats are written out exactly as JSON told them. */
const usdFrom = (value: unknown): string | null => {
  const text = typeof value === 'number' && Number.isFinite(value) ? String(value) : typeof value === 'string' ? value : null
  if (text === null || (decimalOf(text)?.digits ?? -1n) < 0n) return null
  const pico = picoOf(text)
  return pico === null ? null : usdOf(pico)
}

const costOf = (usage: JsonObject, gateway: JsonObject | null, notes: Notes): string | null => {
  if (typeof usage.cost_in_usd_ticks === 'number' && Number.isInteger(usage.cost_in_usd_ticks) && usage.cost_in_usd_ticks >= 0)
    return usdOf(BigInt(usage.cost_in_usd_ticks) * 100n)
  const told =
    usdFrom(objectAt(gateway, 'gateway')?.cost) ??
    usdFrom(usage.cost) ??
    usdFrom(objectAt(usage, 'cost')?.total_cost) ??
    usdFrom(usage.estimated_cost)
  if (told === null || usage.is_byok !== true) return told
  // With the caller's own key the gateway tells its fee; the model's cost stands beside it.
  const upstream = usdFrom(objectAt(usage, 'cost_details')?.upstream_inference_cost)
  if (upstream === null) {
    notes.add('byok_cost_not_told')
    return null
  }
  return usdOf((picoOf(told) ?? 0n) + (picoOf(upstream) ?? 0n))
}

const toolNames: Readonly<Record<string, string>> = {
  web_search_call: 'web_search_requests',
  file_search_call: 'file_search_calls',
  code_interpreter_call: 'code_interpreter_calls',
  mcp_call: 'mcp_calls',
  x_search_call: 'x_search_calls',
}

const serverTools: Readonly<Record<string, string>> = {
  web_search_calls: 'web_search_requests',
  x_search_calls: 'x_search_calls',
  code_interpreter_calls: 'code_interpreter_calls',
  file_search_calls: 'file_search_calls',
  mcp_calls: 'mcp_calls',
}

const extrasOf = (usage: JsonObject, tools: JsonObject | undefined): Record<string, number> => {
  const extra: Record<string, number> = {}
  for (const [name, value] of Object.entries(tools ?? {}))
    if (toolNames[name] !== undefined) counted(extra, toolNames[name], value)
  for (const [name, value] of Object.entries(objectAt(usage, 'server_side_tool_usage_details') ?? {}))
    if (serverTools[name] !== undefined) counted(extra, serverTools[name], value)
  const told = objectAt(usage, 'server_tool_use_details') ?? objectAt(usage, 'server_tool_use')
  counted(extra, 'web_search_requests', told?.web_search_requests)
  counted(extra, 'web_fetch_requests', told?.web_fetch_requests)
  counted(extra, 'audio_seconds', usage.prompt_audio_seconds ?? (usage.type === 'duration' ? usage.seconds : undefined))
  counted(extra, 'pages', usage.pages_processed)
  return extra
}

// Where `total` is missing or fits nothing, these providers are known to count outside (wire.md §4).
const reasoningOutside = (provider: string, api: string): boolean => provider === 'xai' && api === 'chat'
const audioOutside = (provider: string): boolean => provider === 'mistral'

interface Counted {
  readonly input: Tokens
  readonly output: Tokens
}

/** The total decides where a part lies: inside of prompt and completion, or beside them. */
const placed = (
  p: Tokens,
  c: Tokens,
  t: Tokens,
  reasoning: number,
  audio: number,
  outside: { reasoning: boolean; audio: boolean },
  notes: Notes,
): Counted => {
  const base = (p ?? 0) + (c ?? 0)
  let addReasoning = false
  let addAudio = false
  if (t !== null && p !== null && t === base) return { input: p, output: c }
  if (t !== null && reasoning > 0 && t === base + reasoning) addReasoning = true
  else if (t !== null && audio > 0 && t === base + audio) addAudio = true
  else if (t !== null && reasoning > 0 && audio > 0 && t === base + reasoning + audio) addReasoning = addAudio = true
  else {
    if (t !== null && (p !== null || c !== null)) notes.add('total_mismatch')
    addReasoning = outside.reasoning
    addAudio = outside.audio
  }
  return {
    input: addAudio && p !== null ? sumOf(p, audio) : p,
    output: addReasoning && c !== null ? sumOf(c, reasoning) : c,
  }
}

/** Usage in OpenAI's form, as chat, completions, embeddings, Responses and all who imitate them tell it. */
export const openAiUsage = (provider: string, api: string, raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const usage = told.get('usage') ?? told.get('x_groq') ?? told.get('usage_info')
  const tools = told.get('tools')
  if (usage === undefined) return wireUsage({ extra: extrasOf({}, tools), serviceTier: wordOf(raw, 'service_tier') }, notes)

  const inputDetails =
    objectAt(usage, 'prompt_tokens_details') ?? objectAt(usage, 'input_tokens_details') ?? objectAt(usage, 'input_token_details')
  const outputDetails =
    objectAt(usage, 'completion_tokens_details') ??
    objectAt(usage, 'output_tokens_details') ??
    objectAt(usage, 'output_token_details')
  const p = firstCount(notes, usage.prompt_tokens, usage.input_tokens)
  const told_c = firstCount(notes, usage.completion_tokens, usage.output_tokens)
  // An embedding has no output tokens; that is not the same as not telling them.
  const c = told_c === null && api === 'embeddings' && p !== null ? 0 : told_c
  const t = count(usage.total_tokens, notes)
  const reasoningTokens = firstCount(notes, outputDetails?.reasoning_tokens, usage.reasoning_tokens)
  const inputAudioTokens = count(inputDetails?.audio_tokens, notes)
  const { input, output } = placed(
    p,
    c,
    t,
    reasoningTokens ?? 0,
    inputAudioTokens ?? 0,
    { reasoning: reasoningOutside(provider, api), audio: audioOutside(provider) },
    notes,
  )
  return wireUsage(
    {
      inputTokens: input,
      outputTokens: output,
      cacheReadTokens: firstCount(
        notes,
        inputDetails?.cached_tokens,
        usage.prompt_cache_hit_tokens,
        usage.cached_tokens,
        usage.cache_read_input_tokens,
      ),
      cacheWriteTokens: firstCount(notes, inputDetails?.cache_write_tokens, usage.cache_creation_input_tokens || null),
      reasoningTokens,
      inputAudioTokens,
      outputAudioTokens: count(outputDetails?.audio_tokens, notes),
      inputImageTokens: count(inputDetails?.image_tokens, notes),
      outputImageTokens: count(outputDetails?.image_tokens, notes),
      extra: extrasOf(usage, tools),
      serviceTier: wordOf(raw, 'service_tier') ?? textAt(usage, 'service_tier'),
      providerCostUsd: isObject(usage) ? costOf(usage, told.get('provider_metadata') ?? null, notes) : null,
    },
    notes,
  )
}
