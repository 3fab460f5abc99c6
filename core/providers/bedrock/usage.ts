import type { Raw } from '../../exchange.js'
import type { Tokens, Usage } from '../../usage.js'
import { anthropicUsage } from '../anthropic/usage.js'
import { isObject, listAt, objectAt, type JsonObject } from '../json-text.js'
import { openAiUsage } from '../openai-chat/usage.js'
import { count, counted, firstCount, objectsOf, sumOf, wireUsage, wordOf, type Notes } from '../usage-fields.js'
import { bedrockModel } from './model.js'

/** What tells of a call besides its answer's body. */
export interface BesideBody {
  readonly resHeaders: readonly (readonly [string, string])[]
  readonly requestModel: string | null
}

type Figures = Pick<Usage, 'inputTokens' | 'outputTokens' | 'cacheReadTokens' | 'cacheWriteTokens'>

/** The first spelling that tells more than 0, else the first that tells: answers fill in both. */
const larger = (notes: Notes, ...values: readonly unknown[]): Tokens => {
  const told = values.map((value) => count(value, notes)).filter((value) => value !== null)
  return told.find((value) => value > 0) ?? told[0] ?? null
}

/** Tokens written to the cache, by how long they are kept. */
const writtenFor = (usage: JsonObject, ttl: string, notes: Notes): Tokens => {
  let sum: Tokens = null
  for (const entry of listAt(usage, 'cacheDetails'))
    if (isObject(entry) && entry.ttl === ttl) sum = sumOf(sum, count(entry.inputTokens, notes))
  return sum
}

const serverTools: ReadonlyMap<string, string> = new Map([
  ['webSearchRequests', 'web_search_requests'],
  ['web_search_requests', 'web_search_requests'],
  ['webFetchRequests', 'web_fetch_requests'],
  ['web_fetch_requests', 'web_fetch_requests'],
  ['codeExecutionRequests', 'code_interpreter_calls'],
  ['code_execution_requests', 'code_interpreter_calls'],
])

/** Converse's `usage`: what was read from and written to the cache stands beside the input; what it leaves out of these is 0. */
const converseFigures = (usage: JsonObject, notes: Notes): Usage => {
  const fresh = larger(notes, usage.inputTokens, usage.inputTokenCount)
  const output = larger(notes, usage.outputTokens, usage.outputTokenCount)
  const w5m = writtenFor(usage, '5m', notes)
  const w1h = writtenFor(usage, '1h', notes)
  const told = fresh !== null || output !== null
  const read = larger(notes, usage.cacheReadInputTokens, usage.cacheReadInputTokenCount) ?? (told ? 0 : null)
  const write =
    larger(notes, usage.cacheWriteInputTokens, usage.cacheWriteInputTokenCount) ?? sumOf(w5m, w1h) ?? (told ? 0 : null)
  // The split is only believed where it adds up to what was written.
  const fits = (w5m ?? 0) + (w1h ?? 0) === (write ?? 0)
  if (!fits && (w5m !== null || w1h !== null)) notes.add('ttl_split_mismatch')
  const inputTokens = fresh === null ? null : sumOf(fresh, read, write)
  const total = count(usage.totalTokens, notes)
  // Some models leave the cache out of their total.
  if (
    total !== null &&
    inputTokens !== null &&
    output !== null &&
    total !== inputTokens + output &&
    total !== (fresh ?? 0) + output
  )
    notes.add('total_mismatch')
  const extra: Record<string, number> = {}
  for (const [key, value] of Object.entries(objectAt(usage, 'serverToolUsage') ?? {})) {
    const name = serverTools.get(key)
    if (name !== undefined) counted(extra, name, count(value, notes))
  }
  return wireUsage(
    {
      inputTokens,
      outputTokens: output,
      cacheReadTokens: inputTokens === null ? null : read,
      cacheWriteTokens: inputTokens === null ? null : write,
      cacheWrite5mTokens: fits && inputTokens !== null ? w5m : null,
      cacheWrite1hTokens: fits && inputTokens !== null ? w1h : null,
      extra,
    },
    notes,
  )
}

/** Counts that Titan, Llama and Cohere write beside their text. */
const ownFigures = (counts: JsonObject, meta: JsonObject | undefined, notes: Notes): Figures => {
  const cohere = objectAt(counts, 'token_count')
  const units = objectAt(meta, 'tokens') ?? objectAt(meta, 'billed_units')
  const perResult = listAt(counts, 'tokenCounts').map((value) => count(value, notes))
  return {
    inputTokens: firstCount(
      notes,
      counts.inputTextTokenCount,
      counts.prompt_token_count,
      cohere?.prompt_tokens,
      units?.input_tokens,
    ),
    outputTokens:
      firstCount(
        notes,
        counts.totalOutputTextTokenCount,
        counts.generation_token_count,
        cohere?.response_tokens,
        units?.output_tokens,
      ) ?? (perResult.length > 0 ? sumOf(...perResult) : counts.embedding === true ? 0 : null),
    cacheReadTokens: null,
    cacheWriteTokens: null,
  }
}

const summed = (input: Tokens, outputTokens: Tokens, read: Tokens, write: Tokens): Figures => ({
  inputTokens: input === null ? null : sumOf(input, read, write),
  outputTokens,
  cacheReadTokens: input === null ? null : read,
  cacheWriteTokens: input === null ? null : write,
})

/** What Bedrock adds to the last chunk of a stream, in whatever form the model speaks. Its input is what was neither read nor written. */
const metricFigures = (metrics: JsonObject, notes: Notes): Figures =>
  summed(
    count(metrics.inputTokenCount, notes),
    count(metrics.outputTokenCount, notes),
    count(metrics.cacheReadInputTokenCount, notes),
    count(metrics.cacheWriteInputTokenCount, notes),
  )

const headerOf = (beside: BesideBody | undefined, name: string): string | null =>
  beside?.resHeaders.find(([key]) => key.toLowerCase() === name)?.[1].trim() ?? null

const headerFigures = (beside: BesideBody | undefined, notes: Notes): Figures => {
  const told = (name: string): Tokens => {
    const text = headerOf(beside, `x-amzn-bedrock-${name}-token-count`)
    return text === null || !/^\d{1,15}$/.test(text) ? null : count(Number(text), notes)
  }
  return summed(told('input'), told('output'), told('cache-read-input'), told('cache-write-input'))
}

/** A figure that is told is never replaced; a cache count only comes together with the input it is a part of. */
const filled = (usage: Usage, more: Figures, notes: Notes): Usage => {
  const inputIsNew = usage.inputTokens === null && more.inputTokens !== null
  const outputIsNew = usage.outputTokens === null && more.outputTokens !== null
  if (!inputIsNew && !outputIsNew) return usage
  return wireUsage(
    {
      ...usage,
      inputTokens: inputIsNew ? more.inputTokens : usage.inputTokens,
      outputTokens: outputIsNew ? more.outputTokens : usage.outputTokens,
      cacheReadTokens: inputIsNew ? more.cacheReadTokens : usage.cacheReadTokens,
      cacheWriteTokens: inputIsNew ? more.cacheWriteTokens : usage.cacheWriteTokens,
    },
    notes,
  )
}

const bodyUsage = (raw: readonly Raw[], notes: Notes): Usage => {
  const told = objectsOf(raw, notes)
  const usage = told.get('usage')
  if (told.has('message_start') || told.has('message_delta')) return anthropicUsage(raw)
  if (usage !== undefined) {
    if (usage.inputTokens !== undefined || usage.outputTokens !== undefined) return converseFigures(usage, notes)
    const isOpenAi =
      usage.prompt_tokens !== undefined || usage.completion_tokens !== undefined || usage.total_tokens !== undefined
    return isOpenAi ? openAiUsage('bedrock', 'chat', raw) : anthropicUsage(raw)
  }
  const own = wireUsage(ownFigures(told.get('counts') ?? {}, told.get('meta'), notes), notes)
  const images = count(told.get('images')?.count, notes)
  // Counted, not told: the wire is no source of it.
  return images !== null && images > 0 ? { ...own, extra: { ...own.extra, images } } : own
}

/**
 * Usage of Bedrock's Converse and InvokeModel. What the body tells wins, then the metrics of a stream's last chunk, then the headers of
 * the answer; a usage to which headers had to add is of source `header`. The geography of the model's id is the region.
 */
export const bedrockUsage = (raw: readonly Raw[], beside?: BesideBody): Usage => {
  const notes: Notes = new Set()
  const fromBody = bodyUsage(raw, notes)
  for (const note of fromBody.notes) notes.add(note)
  const metrics = objectsOf(raw, notes).get('metrics')
  const fromWire = metrics === undefined ? fromBody : filled(fromBody, metricFigures(metrics, notes), notes)
  const usage = filled(fromWire, headerFigures(beside, notes), notes)
  const requestModel = beside?.requestModel ?? null
  return {
    ...usage,
    usageSource: usage === fromWire ? usage.usageSource : 'header',
    serviceTier: wordOf(raw, 'service_tier') ?? usage.serviceTier ?? headerOf(beside, 'x-amzn-bedrock-service-tier'),
    region: usage.region ?? (requestModel === null ? null : bedrockModel(requestModel).region),
    notes: [...notes],
  }
}
