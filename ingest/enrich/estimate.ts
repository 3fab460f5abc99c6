import type { Conversation } from '../../core/messages.js'
import type { Exchange } from '../../core/exchange.js'
import { noUsage, type Usage } from '../../core/usage.js'

/** Rough size of a token in characters, and what a chat adds per message (cost.md §4). */
const charsPerToken = 4
const tokensPerMessage = 3

const generating = new Set(['chat', 'completions', 'responses', 'messages', 'generate_content'])
const embedding = new Set(['embeddings', 'embed_content'])
const broken = new Set(['client_abort', 'upstream_abort', 'stall', 'error_event'])

const charsOf = (conversation: Conversation): number => {
  let chars = 0
  for (const { blocks } of conversation.messages.slice(0, conversation.answerAt))
    for (const block of blocks) {
      if (block.type === 'tool_call') chars += block.name.length + block.arguments.length
      else if (block.type === 'other') chars += block.json.length
      else if ('text' in block) chars += block.text.length
    }
  return chars
}

const inputEstimate = (conversation: Conversation | null): number | null => {
  if (conversation === null || conversation.answerAt === 0) return null
  return Math.ceil(charsOf(conversation) / charsPerToken) + tokensPerMessage * (conversation.answerAt + 1)
}

/** Why a call has no usage of its own, where that is certain; `null` = it may have used something. */
const certainly = (exchange: Exchange): NonNullable<Usage['reason']> | null => {
  if (exchange.outcome === 'refused') return 'refused'
  if (exchange.outcome === 'cached') return 'cached'
  if (exchange.outcome === 'proxy_lost') return 'lost'
  if (exchange.status >= 400) return 'not_applicable'
  return null
}

/**
 * Fills in what the provider did not tell, counted by us and marked `estimated`: a token is taken for four characters until a
 * tokenizer counts. A figure of the wire is never made smaller; a whole usage of the wire stays as it is.
 */
export const completeUsage = (usage: Usage, exchange: Exchange, conversation: Conversation | null): Usage => {
  const certain = certainly(exchange)
  if (certain !== null && usage.usageSource === 'none') return noUsage(certain, usage.notes)
  if (usage.reason === 'not_applicable') return usage
  const isEmbedding = embedding.has(exchange.api)
  if (!isEmbedding && !generating.has(exchange.api)) return usage
  const cut = broken.has(exchange.outcome)
  // Counts that grow from event to event stand for the part that came, unless the answer had said that it was done.
  const growing = cut && exchange.finishReason === null
  if (usage.inputTokens !== null && usage.outputTokens !== null && !growing) return usage
  // Nothing was answered: whether anything was used is not known.
  if (exchange.marksUs.headers === null && exchange.outcome !== 'stall')
    return { ...usage, reason: usage.reason === null ? null : 'cut' }
  if (exchange.notes.includes('unreadable') && exchange.counts.contentChars === 0 && usage.usageSource === 'none')
    return { ...usage, reason: 'unreadable' }

  const counted = isEmbedding ? 0 : Math.ceil(exchange.counts.contentChars / charsPerToken)
  const inputTokens = usage.inputTokens ?? inputEstimate(conversation)
  const outputTokens = Math.max(counted, usage.outputTokens ?? 0)
  if (inputTokens === usage.inputTokens && outputTokens === usage.outputTokens) return usage
  const media = conversation?.messages.some(({ blocks }) => blocks.some((block) => block.type === 'media')) === true
  return {
    ...usage,
    inputTokens,
    outputTokens,
    usageSource: 'estimated',
    reason: cut ? 'cut' : 'not_on_wire',
    notes: media && usage.inputTokens === null ? [...usage.notes, 'media_not_counted'] : usage.notes,
  }
}
