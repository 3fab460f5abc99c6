import type { Raw } from '../../exchange.js'
import type { Usage } from '../../usage.js'
import { objectAt, type JsonObject } from '../json-text.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, type Notes } from '../usage-fields.js'

/** What decides the price, in `extra`. A 0 is told, and billed as such. */
const billedOf = (units: JsonObject | null, notes: Notes): Record<string, number> => {
  const extra: Record<string, number> = {}
  for (const name of ['input_tokens', 'output_tokens'] as const) {
    const told = count(units?.[name], notes)
    if (told !== null) extra[`billed_${name}`] = told
  }
  counted(extra, 'billed_image_tokens', units?.image_tokens)
  counted(extra, 'billed_images', units?.images)
  counted(extra, 'search_units', units?.search_units)
  counted(extra, 'classifications', units?.classifications)
  return extra
}

/**
 * Usage of Cohere, whose `tokens` (with the chat template around the messages) and `billed_units` differ: 1,591 and 68 of the same prompt
 * (cohere-stream-tools). `tokens` are the tokens of the call, `billed_units` are what is priced. Embeddings tell `billed_units` alone:
 * they stand for the input, pictures in it included; an output is not told.
 */
export const cohereUsage = (raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const usage: JsonObject = { ...told.get('cohere.meta'), ...told.get('cohere.usage') }
  const tokens = objectAt(usage, 'tokens')
  const units = objectAt(usage, 'billed_units')
  const images = count(units?.image_tokens, notes)
  const input = count(tokens?.input_tokens, notes)
  return wireUsage(
    {
      inputTokens: input ?? sumOf(count(units?.input_tokens, notes), images),
      outputTokens: firstCount(notes, tokens?.output_tokens, units?.output_tokens),
      cacheReadTokens: count(usage.cached_tokens ?? tokens?.cached_tokens, notes),
      inputImageTokens: firstCount(notes, tokens?.image_tokens, images === 0 ? null : images),
      extra: billedOf(units, notes),
    },
    notes,
  )
}
