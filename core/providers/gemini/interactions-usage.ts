import type { Raw } from '../../exchange.js'
import { noUsage, type Tokens, type Usage } from '../../usage.js'
import { isObject, listAt, textAt, type JsonObject } from '../json-text.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, wordOf, type Notes } from '../usage-fields.js'

const ofModality = (usage: JsonObject, key: string, modality: string, notes: Notes): Tokens => {
  let found: Tokens = null
  for (const entry of listAt(usage, key))
    if (isObject(entry) && textAt(entry, 'modality')?.toLowerCase() === modality)
      found = sumOf(found, firstCount(notes, entry.tokens, entry.token_count) ?? 0)
  return found
}

const inputOf = (usage: JsonObject, modality: string, notes: Notes): Tokens =>
  sumOf(
    ofModality(usage, 'input_tokens_by_modality', modality, notes),
    ofModality(usage, 'tool_use_tokens_by_modality', modality, notes),
  )

/** What Google's tools are called in `extra`. */
const toolNames: ReadonlyMap<string, string> = new Map([
  ['google_search', 'web_search_requests'],
  ['google_maps', 'google_maps_requests'],
  ['retrieval', 'retrieval_calls'],
  ['url_context', 'web_fetch_requests'],
  ['mcp', 'mcp_calls'],
])

const toolsOf = (usage: JsonObject, steps: JsonObject | undefined): Record<string, number> => {
  const extra: Record<string, number> = {}
  for (const [tool, times] of Object.entries(steps ?? {})) {
    const name = toolNames.get(tool)
    if (name !== undefined) counted(extra, name, times)
  }
  // What is told goes before what was counted.
  for (const entry of listAt(usage, 'grounding_tool_count')) {
    const name = toolNames.get(textAt(entry, 'type') ?? '')
    if (name !== undefined && isObject(entry)) counted(extra, name, entry.search_query_count ?? entry.count)
  }
  return extra
}

/**
 * Usage of Google's Interactions: thoughts stand beside the output, what tools gave to read beside the input. What its format leaves out
 * because it is nothing is 0: cached, thoughts.
 */
export const interactionsUsage = (raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const usage = told.get('interaction.usage') ?? {}
  const serviceTier = wordOf(raw, 'service_tier')
  const toolUse = count(usage.total_tool_use_tokens, notes)
  const prompt = firstCount(notes, usage.total_input_tokens, usage.input_tokens)
  const thoughts = firstCount(notes, usage.total_thought_tokens, usage.total_reasoning_tokens)
  const answered = firstCount(notes, usage.total_output_tokens, usage.output_tokens)
  const input = sumOf(prompt, toolUse)
  const output = sumOf(answered, thoughts)
  const total = count(usage.total_tokens, notes)
  if (total !== null && input !== null && output !== null && total !== input + output) notes.add('total_mismatch')
  if (input === null && output === null && wordOf(raw, 'pending') !== null)
    return { ...noUsage('not_applicable', [...notes]), serviceTier }
  const extra = toolsOf(usage, told.get('interaction.tools'))
  counted(extra, 'tool_use_prompt_tokens', toolUse)
  return wireUsage(
    {
      inputTokens: input,
      outputTokens: output,
      cacheReadTokens: input === null ? null : (count(usage.total_cached_tokens, notes) ?? 0),
      reasoningTokens: output === null ? null : (thoughts ?? 0),
      inputAudioTokens: inputOf(usage, 'audio', notes),
      inputImageTokens: inputOf(usage, 'image', notes),
      outputAudioTokens: ofModality(usage, 'output_tokens_by_modality', 'audio', notes),
      outputImageTokens: ofModality(usage, 'output_tokens_by_modality', 'image', notes),
      cacheReadAudioTokens: ofModality(usage, 'cached_tokens_by_modality', 'audio', notes),
      cacheReadImageTokens: ofModality(usage, 'cached_tokens_by_modality', 'image', notes),
      extra,
      serviceTier,
    },
    notes,
  )
}
