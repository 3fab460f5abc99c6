import type { Raw } from './exchange.js'
import { anthropicUsage } from './providers/anthropic/usage.js'
import { bedrockUsage, type BesideBody } from './providers/bedrock/usage.js'
import { interactionsUsage } from './providers/gemini/interactions-usage.js'
import { predictUsage } from './providers/gemini/predict.js'
import { cohereUsage } from './providers/cohere/usage.js'
import { geminiUsage } from './providers/gemini/usage.js'
import { ollamaUsage } from './providers/ollama/usage.js'
import { openAiUsage } from './providers/openai-chat/usage.js'
import { realtimeUsage } from './providers/realtime/usage.js'
import { noUsage, type Usage } from './usage.js'

/**
 * Brings the raw usage objects of one call into one shape (wire.md §3 and §4). Pure; never throws; never negative, never NaN; parts are
 * clamped to their wholes, with a note.
 *
 * @param raw As the reader of the answer left it, newest per source. Empty: the provider told nothing.
 * @param beside The call's stored answer headers and model: some providers tell usage or region there alone.
 */
export const readUsage = (provider: string, api: string, raw: readonly Raw[], beside?: BesideBody): Usage => {
  switch (api) {
    case 'count_tokens':
    case 'count_content_tokens':
      // Free, although the answer says `input_tokens`: that is what it was asked, not what was used.
      return noUsage('not_applicable')
    case 'messages':
      return anthropicUsage(raw)
    case 'generate_content':
    case 'embed_content':
      return geminiUsage(api, raw)
    case 'interactions':
      return interactionsUsage(raw)
    case 'predict':
      return predictUsage(raw)
    case 'converse':
    case 'invoke':
      return bedrockUsage(raw, beside)
    case 'realtime':
      return realtimeUsage(raw)
    case 'realtime_session':
      // The connection: its responses are calls of their own. What could not be read may have held some.
      return noUsage(raw.length === 0 ? 'not_applicable' : 'unreadable')
    default:
      // `chat`, `embeddings` and others are spoken in several forms: the sources tell which.
      if (raw.some(({ source }) => source === 'cohere.usage' || source === 'cohere.meta')) return cohereUsage(raw)
      if (raw.some(({ source }) => source === 'ollama.done')) return ollamaUsage(api, raw)
      if (raw.some(({ source }) => source === 'usageMetadata')) return geminiUsage(api, raw)
      if (raw.some(({ source }) => source === 'message_start' || source === 'message_delta')) return anthropicUsage(raw)
      return openAiUsage(provider, api, raw)
  }
}
