import type { Raw } from '../../exchange.js'
import type { Tokens, Usage } from '../../usage.js'
import { isObject, listAt, textAt, type JsonObject } from '../json-text.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, type Notes } from '../usage-fields.js'

/** Tokens of one modality, in the first of several spellings of the list that has it. Text, video and documents have no unit of their own. */
const ofModality = (usage: JsonObject, modality: string, notes: Notes, ...keys: readonly string[]): Tokens => {
  for (const key of keys) {
    let found: Tokens = null
    for (const entry of listAt(usage, key))
      if (isObject(entry) && textAt(entry, 'modality')?.toUpperCase() === modality)
        found = sumOf(found, count(entry.tokenCount, notes) ?? 0)
    if (found !== null) return found
  }
  return null
}

const inputOf = (usage: JsonObject, modality: string, notes: Notes): Tokens =>
  sumOf(
    ofModality(usage, modality, notes, 'promptTokensDetails', 'promptTokenDetails'),
    ofModality(usage, modality, notes, 'toolUsePromptTokensDetails'),
  )
const outputOf = (usage: JsonObject, modality: string, notes: Notes): Tokens =>
  ofModality(usage, modality, notes, 'candidatesTokensDetails', 'responseTokensDetails')
const cachedOf = (usage: JsonObject, modality: string, notes: Notes): Tokens =>
  ofModality(usage, modality, notes, 'cacheTokensDetails')

const trafficTiers: Readonly<Record<string, string>> = {
  ON_DEMAND_PRIORITY: 'priority',
  ON_DEMAND_FLEX: 'flex',
  ON_DEMAND_OFFPEAK: 'offpeak',
  PROVISIONED_THROUGHPUT: 'provisioned',
}

const tierOf = (usage: JsonObject): string | null => {
  const told = textAt(usage, 'serviceTier')
    ?.toLowerCase()
    .replace(/^service_tier_/, '')
  return told !== undefined && told !== 'unspecified' ? told : (trafficTiers[textAt(usage, 'trafficType') ?? ''] ?? null)
}

interface Sides {
  readonly input: Tokens
  readonly output: Tokens
}

/** What was read and what was made; the total tells the one from the other where only one was told, and whether thoughts lie outside. */
const sidesOf = (usage: JsonObject, toolUse: Tokens, thoughts: Tokens, embeds: boolean, notes: Notes): Sides => {
  const prompt = count(usage.promptTokenCount, notes)
  // Vertex' Live API and older models say "response" for "candidates".
  const candidates = firstCount(notes, usage.candidatesTokenCount, usage.responseTokenCount)
  const total = count(usage.totalTokenCount, notes)
  const input = sumOf(prompt, toolUse)
  const output = sumOf(candidates, thoughts)
  if (embeds) return { input: input ?? total, output: input === null && total === null ? null : 0 }
  if (total === null) return { input, output }
  // A prompt that was refused, or all thoughts: what is not told is what the total leaves for it.
  if (candidates === null && input !== null && total >= input + (thoughts ?? 0)) return { input, output: total - input }
  if (prompt === null && output !== null && total > output + (toolUse ?? 0)) return { input: total - output, output }
  if (input === null || output === null || total === input + output) return { input, output }
  if (candidates !== null && total === input + candidates && (thoughts ?? 0) <= candidates) return { input, output: candidates }
  notes.add('total_mismatch')
  return { input, output }
}

/** Usage of Google's generateContent and embedContent. What its format leaves out because it is nothing is 0: cached, thoughts. */
export const geminiUsage = (api: string, raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const usage = told.get('usageMetadata')
  const grounding = told.get('grounding')
  const extra: Record<string, number> = {}
  counted(extra, 'web_search_requests', grounding?.webSearchQueries)
  counted(extra, 'google_maps_requests', grounding?.maps)
  counted(extra, 'retrieval_calls', grounding?.retrievals)
  counted(extra, 'web_fetch_requests', grounding?.pages)
  counted(extra, 'characters', told.get('metadata')?.billableCharacterCount)
  if (usage === undefined) return wireUsage({ extra }, notes)

  const embeds = api === 'embed_content'
  const toolUse = count(usage.toolUsePromptTokenCount, notes)
  counted(extra, 'tool_use_prompt_tokens', toolUse)
  const thoughts = count(usage.thoughtsTokenCount, notes)
  const { input, output } = sidesOf(usage, toolUse, thoughts, embeds, notes)
  return wireUsage(
    {
      inputTokens: input,
      outputTokens: output,
      cacheReadTokens: input === null ? null : (count(usage.cachedContentTokenCount, notes) ?? 0),
      reasoningTokens: embeds || input === null ? null : (thoughts ?? 0),
      inputAudioTokens: inputOf(usage, 'AUDIO', notes),
      inputImageTokens: inputOf(usage, 'IMAGE', notes),
      outputAudioTokens: outputOf(usage, 'AUDIO', notes),
      outputImageTokens: outputOf(usage, 'IMAGE', notes),
      cacheReadAudioTokens: cachedOf(usage, 'AUDIO', notes),
      cacheReadImageTokens: cachedOf(usage, 'IMAGE', notes),
      extra,
      serviceTier: tierOf(usage),
    },
    notes,
  )
}
