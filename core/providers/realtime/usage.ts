import type { Raw } from '../../exchange.js'
import type { Usage } from '../../usage.js'
import { geminiUsage } from '../gemini/usage.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, wordOf, type Notes } from '../usage-fields.js'

/** Live says "response" for what generateContent calls "candidates", in its details too. */
const asCandidates = (entry: Raw): Raw => {
  if (entry.source !== 'usageMetadata') return entry
  try {
    const usage: unknown = JSON.parse(entry.json)
    if (!isObject(usage) || listAt(usage, 'candidatesTokensDetails').length > 0) return entry
    const { responseTokensDetails, ...rest } = usage
    return { source: entry.source, json: JSON.stringify({ ...rest, candidatesTokensDetails: responseTokensDetails }) }
  } catch {
    return entry
  }
}

const details = (usage: JsonObject, side: 'input' | 'output'): JsonObject | null =>
  objectAt(usage, `${side}_token_details`) ?? objectAt(usage, `${side}_tokens_details`)

const openAiTurn = (raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const usage = objectsOf(raw, notes).get('usage')
  const extra: Record<string, number> = {}
  if (usage === undefined) return wireUsage({ extra }, notes)
  const input = details(usage, 'input')
  const output = details(usage, 'output')
  const cached = objectAt(input, 'cached_tokens_details')
  counted(extra, 'audio_seconds', usage.seconds)
  const inputTokens = firstCount(notes, usage.input_tokens, usage.prompt_tokens)
  const outputTokens = firstCount(notes, usage.output_tokens, usage.completion_tokens)
  const total = count(usage.total_tokens, notes)
  if (total !== null && inputTokens !== null && outputTokens !== null && total !== inputTokens + outputTokens)
    notes.add('total_mismatch')
  const cacheReadAudioTokens = count(cached?.audio_tokens, notes)
  const cacheReadImageTokens = count(cached?.image_tokens, notes)
  return wireUsage(
    {
      inputTokens,
      outputTokens,
      cacheReadTokens:
        firstCount(notes, input?.cached_tokens, usage.cached_tokens) ??
        sumOf(count(cached?.text_tokens, notes), cacheReadAudioTokens, cacheReadImageTokens),
      cacheWriteTokens: count(input?.cache_write_tokens, notes),
      reasoningTokens: count(output?.reasoning_tokens, notes),
      inputAudioTokens: count(input?.audio_tokens, notes),
      outputAudioTokens: count(output?.audio_tokens, notes),
      inputImageTokens: count(input?.image_tokens, notes),
      outputImageTokens: count(output?.image_tokens, notes),
      cacheReadAudioTokens,
      cacheReadImageTokens,
      extra,
      serviceTier: wordOf(raw, 'service_tier') ?? textAt(usage, 'service_tier'),
    },
    notes,
  )
}

/**
 * Usage of one response of a realtime session: OpenAI's `response.done`, whose cached part is split by modality as well, or the
 * `usageMetadata` of a turn of Gemini Live.
 */
export const realtimeUsage = (raw: readonly Raw[]): Usage =>
  raw.some(({ source }) => source === 'usageMetadata' || source === 'grounding')
    ? geminiUsage('generate_content', raw.map(asCandidates))
    : openAiTurn(raw)
