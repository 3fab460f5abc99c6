import type { Exchange } from '../../core/exchange.js'
import type { Conversation } from '../../core/messages.js'
import { outputAtStart } from '../../core/providers/anthropic/usage.js'
import { noUsage, type Usage, type UsagePart } from '../../core/usage.js'
import { charsPerToken, tokensPerMessage, type Counts, type Need } from '../tokens/count-call.js'

const generating = new Set([
  'chat',
  'completions',
  'responses',
  'messages',
  'generate_content',
  'converse',
  'invoke',
  'interactions',
  'realtime',
  'transcription',
])
const embedding = new Set(['embeddings', 'embed_content'])
const broken = new Set(['client_abort', 'upstream_abort', 'stall', 'error_event'])
/** Reads of these tell what an earlier call made; by themselves they use nothing, and one that tells nothing owes nothing. */
const readable = new Set(['responses', 'interactions'])

const isEmbedding = ({ api, operation }: Exchange): boolean => embedding.has(api) || operation === 'embeddings'

/** Why a call has no usage of its own, where that is certain; `null` = it may have used something. */
const certainly = (exchange: Exchange): NonNullable<Usage['reason']> | null => {
  if (exchange.outcome === 'refused') return 'refused'
  if (exchange.outcome === 'cached' || exchange.cache?.status === 'hit') return 'cached'
  if (exchange.outcome === 'proxy_lost') return 'lost'
  if (exchange.status >= 400) return 'not_applicable'
  return null
}

/** Asks for what was made before. A WebSocket begins with a GET and is none. */
export const isRead = ({ endpoint, status }: Exchange): boolean => /^(?:GET|HEAD) /.test(endpoint) && status !== 101

/** Counts that grow from event to event stand for the part that came, unless the answer had said that it was done. */
const isGrowing = ({ outcome, finishReason }: Exchange): boolean => broken.has(outcome) && finishReason === null

/** An answer that has only said that it will be made; the read that fetches it tells the usage, and is billed (decisions/0042). */
const isPromise = (usage: Usage, { api, outcome, counts }: Exchange): boolean =>
  readable.has(api) &&
  (usage.reason === 'not_applicable' || (outcome === 'complete' && counts.contentChars === 0 && counts.toolCalls === 0))

/** The usage of a call for which nothing has to be counted; `null` = something has. */
const asTold = (usage: Usage, exchange: Exchange): Usage | null => {
  const untold = usage.usageSource === 'none'
  const certain = certainly(exchange)
  if (certain !== null && untold) return noUsage(certain, usage.notes)
  // What a hit tells was used by the original, and is whole.
  if (certain === 'cached') return usage
  if (untold && readable.has(exchange.api)) {
    // One that was cut after something came has passed on what somebody owes; whether a row has it already is looked up.
    if (isRead(exchange) && !(broken.has(exchange.outcome) && exchange.counts.contentChars > 0))
      return { ...usage, reason: 'not_applicable' }
    if (isPromise(usage, exchange)) return { ...usage, reason: 'not_on_wire', notes: [...usage.notes, 'told_by_a_read'] }
  }
  if (usage.reason === 'not_applicable') return usage
  // Pictures on a path of all models: they are billed by the piece, and have no tokens.
  if (untold && exchange.api === 'invoke' && usage.extra.images !== undefined) return usage
  const embeds = isEmbedding(exchange)
  if (!embeds && exchange.api !== 'speech' && !generating.has(exchange.api)) return usage
  if (usage.inputTokens !== null && ((usage.outputTokens !== null && !isGrowing(exchange)) || embeds)) return usage
  // Nothing was answered: whether anything was used is not known.
  if (exchange.marksUs.headers === null && exchange.outcome !== 'stall')
    return { ...usage, reason: usage.reason === null ? null : 'cut' }
  if (exchange.notes.includes('unreadable') && exchange.counts.contentChars === 0 && untold)
    return { ...usage, reason: 'unreadable' }
  return null
}

const hasText = ({ reqBody, resBody }: Exchange): boolean => reqBody !== null || resBody !== null

const needFor = (usage: Usage, exchange: Exchange): Need => ({
  // What was asked of a read lies in another call; a recording has no text.
  input: usage.inputTokens === null && !isRead(exchange) && exchange.api !== 'transcription',
  output: !isEmbedding(exchange) && exchange.api !== 'speech',
})

/** Which figures of a call have to be counted by a tokenizer; `null` = none, or there is no text to count. */
export const needOf = (usage: Usage, exchange: Exchange): Need | null => {
  if (!hasText(exchange) || asTold(usage, exchange) !== null) return null
  const need = needFor(usage, exchange)
  return need.input || need.output ? need : null
}

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

/** Without a tokenizer: four characters are taken for a token. */
const roughly = (need: Need, exchange: Exchange, conversation: Conversation | null): Counts => ({
  inputTokens:
    !need.input || conversation === null || conversation.answerAt === 0
      ? null
      : Math.ceil(charsOf(conversation) / charsPerToken) +
        (generating.has(exchange.api) ? tokensPerMessage * (conversation.answerAt + 1) : 0),
  outputTokens: need.output ? Math.ceil(exchange.counts.contentChars / charsPerToken) : null,
  notes: hasText(exchange) ? ['tokenizer_failed'] : [],
})

/** The totals are the sum of the parts: what was counted on top belongs to the last one. */
const grown = (parts: readonly UsagePart[], input: number, output: number): readonly UsagePart[] => {
  const last = parts.at(-1)
  if (last === undefined || (input === 0 && output === 0)) return parts
  return [
    ...parts.slice(0, -1),
    { ...last, inputTokens: (last.inputTokens ?? 0) + input, outputTokens: (last.outputTokens ?? 0) + output },
  ]
}

const outputOf = (usage: Usage, exchange: Exchange, counted: number | null): number | null => {
  if (isEmbedding(exchange)) return 0
  if (usage.outputTokens !== null && !isGrowing(exchange)) return usage.outputTokens
  if (exchange.notes.includes('sound_not_counted')) return usage.outputTokens
  // A whole answer in which we find nothing is one that we cannot read: its output is not known.
  if (counted === null || (counted === 0 && exchange.outcome === 'complete')) return usage.outputTokens
  // Of a stream that never told its end, as much was made as it had told at its start.
  return Math.max(counted, usage.outputTokens ?? outputAtStart(exchange.usageRaw) ?? 0)
}

/**
 * Fills in what the provider did not tell, counted by us and marked `estimated`. A figure of the wire is never made smaller; a whole
 * usage of the wire stays as it is.
 *
 * @param counts What the tokenizer counted; `null` where it was not asked or failed: then four characters are a token.
 */
export const completeUsage = (
  usage: Usage,
  exchange: Exchange,
  { counts, conversation }: { readonly counts: Counts | null; readonly conversation: Conversation | null },
): Usage => {
  const told = asTold(usage, exchange)
  if (told !== null) return told
  const counted = counts ?? roughly(needFor(usage, exchange), exchange, conversation)
  const reason = broken.has(exchange.outcome) ? 'cut' : 'not_on_wire'
  // What was said before in a session is its input too, and lies in other rows.
  const inputTokens = usage.inputTokens ?? (exchange.notes.includes('context_not_counted') ? null : counted.inputTokens)
  const outputTokens = outputOf(usage, exchange, counted.outputTokens)
  const { characters } = exchange.priceFacts
  const extra =
    exchange.api === 'speech' && typeof characters === 'number' && usage.extra.characters === undefined
      ? { ...usage.extra, characters }
      : usage.extra
  const isSame = inputTokens === usage.inputTokens && outputTokens === usage.outputTokens
  if (isSame && extra === usage.extra) return usage.usageSource === 'none' ? { ...usage, reason } : usage
  return {
    ...usage,
    inputTokens,
    outputTokens,
    extra,
    parts: grown(
      usage.parts,
      (inputTokens ?? 0) - (usage.inputTokens ?? 0),
      Math.max(0, (outputTokens ?? 0) - (usage.outputTokens ?? 0)),
    ),
    usageSource: 'estimated',
    reason,
    notes: [...usage.notes, ...counted.notes],
  }
}
