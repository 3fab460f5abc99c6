import type { Raw } from '../../exchange.js'
import type { Tokens, Usage } from '../../usage.js'
import { listAt, textAt, isObject, type JsonObject } from '../json-text.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, type Notes } from '../usage-fields.js'

const ofModality = (usage: JsonObject, key: string, modality: string, notes: Notes): Tokens => {
  let found: Tokens = null
  for (const entry of listAt(usage, key))
    if (isObject(entry) && entry.modality === modality) found = sumOf(found, count(entry.tokenCount, notes) ?? 0)
  return found
}

const trafficTiers: Readonly<Record<string, string>> = {
  ON_DEMAND_PRIORITY: 'priority',
  ON_DEMAND_FLEX: 'flex',
  PROVISIONED_THROUGHPUT: 'provisioned',
}

/** Usage of Google's generateContent and embedContent. What its format leaves out because it is nothing is 0: cached, thoughts. */
export const geminiUsage = (api: string, raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const usage = told.get('usageMetadata')
  const extra: Record<string, number> = {}
  counted(extra, 'web_search_requests', told.get('grounding')?.webSearchQueries)
  counted(extra, 'characters', told.get('metadata')?.billableCharacterCount)
  if (usage === undefined) return wireUsage({ extra }, notes)

  const prompt = count(usage.promptTokenCount, notes)
  const toolUse = count(usage.toolUsePromptTokenCount, notes)
  counted(extra, 'tool_use_prompt_tokens', toolUse)
  const thoughts = count(usage.thoughtsTokenCount, notes)
  // Vertex' Live API and older models say "response" for "candidates".
  const candidates = firstCount(notes, usage.candidatesTokenCount, usage.responseTokenCount)
  const input = sumOf(prompt, toolUse)
  const total = count(usage.totalTokenCount, notes)
  const output = sumOf(candidates, thoughts) ?? (api === 'embed_content' || total === input ? 0 : null)
  if (total !== null && input !== null && output !== null && total !== input + output) notes.add('total_mismatch')
  const cached = count(usage.cachedContentTokenCount, notes) ?? 0
  return wireUsage(
    {
      inputTokens: input,
      outputTokens: input === null && output === null ? null : output,
      cacheReadTokens: input === null ? null : cached,
      reasoningTokens: api === 'embed_content' || input === null ? null : (thoughts ?? 0),
      inputAudioTokens: sumOf(
        ofModality(usage, 'promptTokensDetails', 'AUDIO', notes),
        ofModality(usage, 'toolUsePromptTokensDetails', 'AUDIO', notes),
      ),
      inputImageTokens: sumOf(
        ofModality(usage, 'promptTokensDetails', 'IMAGE', notes),
        ofModality(usage, 'toolUsePromptTokensDetails', 'IMAGE', notes),
      ),
      outputAudioTokens: ofModality(usage, 'candidatesTokensDetails', 'AUDIO', notes),
      outputImageTokens: ofModality(usage, 'candidatesTokensDetails', 'IMAGE', notes),
      cacheReadAudioTokens: ofModality(usage, 'cacheTokensDetails', 'AUDIO', notes),
      cacheReadImageTokens: ofModality(usage, 'cacheTokensDetails', 'IMAGE', notes),
      extra,
      serviceTier: textAt(usage, 'serviceTier')?.toLowerCase() ?? trafficTiers[textAt(usage, 'trafficType') ?? ''] ?? null,
    },
    notes,
  )
}
