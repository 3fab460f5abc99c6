import type { Raw } from '../../exchange.js'
import type { Usage, UsagePart } from '../../usage.js'
import { listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { count, counted, objectsOf, sumOf, wireUsage, type Notes } from '../usage-fields.js'

const extrasOf = (usage: JsonObject): Record<string, number> => {
  const extra: Record<string, number> = {}
  const tools = objectAt(usage, 'server_tool_use')
  counted(extra, 'web_search_requests', tools?.web_search_requests)
  counted(extra, 'web_fetch_requests', tools?.web_fetch_requests)
  counted(extra, 'code_interpreter_calls', tools?.code_execution_requests)
  return extra
}

/** One usage object: the fresh input, what was written to and what was read from the cache stand beside each other. */
const figures = (usage: JsonObject, notes: Notes): Usage => {
  const write = count(usage.cache_creation_input_tokens, notes)
  const read = count(usage.cache_read_input_tokens, notes)
  const split = objectAt(usage, 'cache_creation')
  const w5m = count(split?.ephemeral_5m_input_tokens, notes)
  const w1h = count(split?.ephemeral_1h_input_tokens, notes)
  // The split is only believed where it adds up to what was written.
  const fits = split !== null && (w5m ?? 0) + (w1h ?? 0) === (write ?? 0)
  if (split !== null && !fits) notes.add('ttl_split_mismatch')
  return wireUsage(
    {
      inputTokens: sumOf(count(usage.input_tokens, notes), write, read),
      outputTokens: count(usage.output_tokens, notes),
      cacheReadTokens: read,
      cacheWriteTokens: write,
      cacheWrite5mTokens: fits ? w5m : null,
      cacheWrite1hTokens: fits ? w1h : null,
      reasoningTokens: count(objectAt(usage, 'output_tokens_details')?.thinking_tokens, notes),
      extra: extrasOf(usage),
    },
    notes,
  )
}

const added = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
] as const

const regionOf = (usage: JsonObject): string | null => {
  const told = textAt(usage, 'inference_geo')
  return told === null || told === 'not_available' ? null : told
}

/**
 * Usage of Anthropic's Messages.
 *
 * `message_delta` repeats the totals: each field it tells replaces that of `message_start` (anthropic-stream-pause-turn: 2,479 became
 * 404,500); the output of `message_start` is no result. With `iterations` the call is their sum: the top level leaves some out.
 */
export const anthropicUsage = (raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const whole = told.get('usage')
  const start = told.get('message_start')
  const delta = told.get('message_delta')
  if (whole === undefined && start === undefined && delta === undefined) return wireUsage({}, notes)
  const known = Object.entries(delta ?? {}).filter(([, value]) => value !== null)
  const usage: JsonObject = whole ?? { ...start, output_tokens: undefined, ...Object.fromEntries(known) }
  const total = figures(usage, notes)
  const serviceTier = textAt(usage, 'speed') === 'fast' ? 'fast' : textAt(usage, 'service_tier')
  const region = regionOf(usage)

  const iterations = listAt(usage, 'iterations').filter(
    (entry): entry is JsonObject => typeof entry === 'object' && entry !== null,
  )
  const single = iterations.length === 1 && textAt(iterations[0], 'model') === null
  if (iterations.length === 0 || single) return { ...total, serviceTier, region, notes: [...notes] }
  const parts = iterations.map((entry): UsagePart => {
    const { parts: _, ...rest } = figures(entry, notes)
    return {
      ...rest,
      extra: {},
      serviceTier,
      region,
      notes: [],
      type: textAt(entry, 'type') ?? '',
      model: textAt(entry, 'model'),
    }
  })
  const sums = Object.fromEntries(added.map((field) => [field, sumOf(...parts.map((part) => part[field]))]))
  return wireUsage({ ...total, ...sums, parts, serviceTier, region }, notes)
}
