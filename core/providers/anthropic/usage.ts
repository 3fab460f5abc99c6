import type { Raw } from '../../exchange.js'
import type { Tokens, Usage, UsagePart } from '../../usage.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { count, counted, objectsOf, sumOf, wireUsage, type Notes } from '../usage-fields.js'

const extrasOf = (usage: JsonObject): Record<string, number> => {
  const extra: Record<string, number> = {}
  const tools = objectAt(usage, 'server_tool_use')
  counted(extra, 'web_search_requests', tools?.web_search_requests)
  counted(extra, 'web_fetch_requests', tools?.web_fetch_requests)
  counted(extra, 'code_interpreter_calls', tools?.code_execution_requests)
  return extra
}

const thinkingIn = (usage: JsonObject, notes: Notes): Tokens =>
  count(objectAt(usage, 'output_tokens_details')?.thinking_tokens, notes)

/** One usage object: the fresh input, what was written to and what was read from the cache stand beside each other. */
const figures = (usage: JsonObject, notes: Notes): Usage => {
  const split = objectAt(usage, 'cache_creation')
  const w5m = count(split?.ephemeral_5m_input_tokens, notes)
  const w1h = count(split?.ephemeral_1h_input_tokens, notes)
  const lived = sumOf(w5m, w1h)
  const write = count(usage.cache_creation_input_tokens, notes) ?? lived
  const read = count(usage.cache_read_input_tokens, notes)
  // The split is only believed where it adds up to what was written; one lifetime that is all of it leaves 0 for the other.
  const fits = lived !== null && lived === write
  if (lived !== null && !fits) notes.add('ttl_split_mismatch')
  return wireUsage(
    {
      inputTokens: sumOf(count(usage.input_tokens, notes), write, read),
      outputTokens: count(usage.output_tokens, notes),
      cacheReadTokens: read,
      cacheWriteTokens: write,
      cacheWrite5mTokens: fits ? (w5m ?? 0) : null,
      cacheWrite1hTokens: fits ? (w1h ?? 0) : null,
      reasoningTokens: thinkingIn(usage, notes),
      extra: extrasOf(usage),
    },
    notes,
  )
}

const summed = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
] as const

const inputKeys = ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'] as const
const countKeys = [...inputKeys, 'output_tokens'] as const

/**
 * The iterations of a call. They are more than the top level, which leaves some out; where they are less, the top level is newer (a
 * `message_delta` without iterations came after one with them), and what they lack belongs to the last one of the call's own model.
 */
const iterationsOf = (usage: JsonObject, notes: Notes): readonly JsonObject[] => {
  const entries = listAt(usage, 'iterations').filter(isObject)
  if (entries.length === 0) return entries
  const own = entries.findLastIndex((entry) => textAt(entry, 'model') === null)
  const at = own < 0 ? entries.length - 1 : own
  const last: Record<string, unknown> = { ...entries[at] }
  for (const key of countKeys) {
    const told = count(usage[key], notes) ?? 0
    const held = sumOf(...entries.map((entry) => count(entry[key], notes))) ?? 0
    if (told <= held) continue
    last[key] = (count(last[key], notes) ?? 0) + told - held
    notes.add('total_mismatch')
  }
  return entries.with(at, last)
}

const tierOf = (usage: JsonObject): string | null =>
  textAt(usage, 'speed')?.toLowerCase() === 'fast' ? 'fast' : textAt(usage, 'service_tier')

const regionOf = (usage: JsonObject): string | null => {
  const told = textAt(usage, 'inference_geo')
  return told === 'not_available' ? null : told
}

const tellsInput = (usage: JsonObject | undefined, notes: Notes): boolean =>
  inputKeys.some((key) => count(usage?.[key], notes) !== null)

/** What was told in the end, over what was told at the start; the output of the start is no result. */
const overwritten = (start: JsonObject | undefined, delta: JsonObject | undefined, notes: Notes): JsonObject => {
  const known = Object.entries(delta ?? {}).filter(([, value]) => value !== null)
  const usage = { ...start, output_tokens: undefined, ...Object.fromEntries(known) }
  // No prompt has 0 tokens: servers that begin so (z.ai, bridges to other forms) tell the input at the end, or never.
  const untold = !tellsInput(delta, notes) && inputKeys.every((key) => (count(start?.[key], notes) ?? 0) === 0)
  return untold ? { ...usage, ...Object.fromEntries(inputKeys.map((key) => [key, null])), cache_creation: null } : usage
}

/**
 * Usage of Anthropic's Messages.
 *
 * `message_delta` repeats the totals: each field it tells replaces that of `message_start` (anthropic-stream-pause-turn: 2,479 became
 * 404,500); one it leaves out or tells as `null` stays. With `iterations` the call is their sum: the top level leaves some out.
 */
export const anthropicUsage = (raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const start = told.get('message_start')
  const delta = told.get('message_delta')
  const whole = told.get('usage')
  if (whole === undefined && start === undefined && delta === undefined) return wireUsage({}, notes)
  const usage = whole ?? overwritten(start, delta, notes)
  const serviceTier = tierOf(usage)
  const region = regionOf(usage)

  const iterations = iterationsOf(usage, notes)
  const [first] = iterations
  if (first === undefined || (iterations.length === 1 && textAt(first, 'model') === null)) {
    const known = Object.entries(first ?? {}).filter(([, value]) => value !== null)
    return { ...figures({ ...usage, ...Object.fromEntries(known) }, notes), serviceTier, region, notes: [...notes] }
  }
  const parts = iterations.map((entry): UsagePart => {
    const { parts: _, ...rest } = figures(entry, notes)
    return {
      ...rest,
      extra: {},
      serviceTier: tierOf(entry) ?? serviceTier,
      region: regionOf(entry) ?? region,
      notes: [],
      type: textAt(entry, 'type') ?? '',
      model: textAt(entry, 'model'),
    }
  })
  const sums = Object.fromEntries(summed.map((field) => [field, sumOf(...parts.map((part) => part[field]))]))
  // Lifetimes that some part which wrote does not tell are told of the whole by none.
  const lived = sumOf(sums.cacheWrite5mTokens ?? null, sums.cacheWrite1hTokens ?? null)
  const lifetimes = lived === (sums.cacheWriteTokens ?? null) ? {} : { cacheWrite5mTokens: null, cacheWrite1hTokens: null }
  const thoughts = [thinkingIn(usage, notes), sumOf(...parts.map((part) => part.reasoningTokens))].filter(
    (value) => value !== null,
  )
  return wireUsage(
    {
      ...sums,
      ...lifetimes,
      reasoningTokens: thoughts.length === 0 ? null : Math.max(...thoughts),
      extra: extrasOf(usage),
      parts,
      serviceTier,
      region,
    },
    notes,
  )
}

/** How much of the output a stream had told when it began: less cannot have been made, however early it was cut. `null` = untold. */
export const outputAtStart = (raw: readonly Raw[]): Tokens => {
  const notes: Notes = new Set()
  return count(objectsOf(raw, notes).get('message_start')?.output_tokens, notes)
}
