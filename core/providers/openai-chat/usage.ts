import type { Raw } from '../../exchange.js'
import { noUsage, type Tokens, type Usage } from '../../usage.js'
import { objectAt, textAt, type JsonObject } from '../json-text.js'
import { count, firstCount, objectsOf, sumOf, wireUsage, wordOf, type Notes } from '../usage-fields.js'
import { extrasOf } from './extras.js'
import { placed, type Beside } from './placed.js'
import { toldCost } from './told-cost.js'

const inputDetails = ['prompt_tokens_details', 'input_tokens_details', 'input_token_details', 'prompt_token_details']
const outputDetails = ['completion_tokens_details', 'output_tokens_details', 'output_token_details', 'completion_token_details']

/** All the detail objects a usage has, under whatever name; figures are looked for in each. */
const detailsIn = (usage: JsonObject, names: readonly string[]): readonly JsonObject[] =>
  names.map((name) => objectAt(usage, name)).filter((details) => details !== null)

/** One field of several objects, in their order. */
const each = (objects: readonly JsonObject[], field: string): readonly unknown[] => objects.map((object) => object[field])

/** The first spelling that tells more than 0, else the first that tells: forms filled in for others' sake say 0. */
const firstPositive = (notes: Notes, values: readonly unknown[]): Tokens => {
  const told = values.map((value) => count(value, notes)).filter((value) => value !== null)
  return told.find((value) => value > 0) ?? told[0] ?? null
}

const withoutNulls = (object: JsonObject | undefined): JsonObject =>
  Object.fromEntries(Object.entries(object ?? {}).filter(([, value]) => value !== null))

/** llama.cpp's own counts, in OpenAI's names. */
const fromTimings = (timings: JsonObject | undefined): JsonObject => {
  if (typeof timings?.prompt_n !== 'number' || typeof timings.predicted_n !== 'number') return {}
  const cached = typeof timings.cache_n === 'number' ? timings.cache_n : 0
  return { prompt_tokens: timings.prompt_n + cached, completion_tokens: timings.predicted_n, cached_tokens: timings.cache_n }
}

// Where the total is missing or fits nothing, these providers are known to count outside (wire.md §4).
const besideAt = (provider: string, api: string, usage: JsonObject): Beside => ({
  reasoning: provider === 'xai' && api === 'chat',
  reasoningApart: (Number(objectAt(usage, 'cost')?.reasoning_tokens_cost) || 0) > 0,
  audio: provider === 'mistral',
  // Anthropic's own names, and no total: its input is what was neither read nor written.
  cached: usage.prompt_tokens === undefined && usage.cache_read_input_tokens !== undefined,
  // Google's OpenAI form leaves thoughts out of the completion, Mistral's transcripts the sound out of the prompt; the total has them.
  rest: provider === 'gemini' || provider === 'vertex' ? 'reasoning' : provider === 'mistral' ? 'audio' : null,
})

/** Usage in OpenAI's form, as chat, completions, embeddings, Responses, audio, images and all who imitate them tell it. */
export const openAiUsage = (provider: string, api: string, raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes)
  const tools = told.get('tools')
  const usage: JsonObject = {
    ...fromTimings(told.has('usage') ? undefined : told.get('timings')),
    ...withoutNulls(told.get('usage_info')),
    ...withoutNulls(told.get('x_groq')),
    ...withoutNulls(told.get('usage')),
  }

  const inputs = detailsIn(usage, inputDetails)
  const outputs = detailsIn(usage, outputDetails)
  const cachedSplits = inputs.flatMap((details) => detailsIn(details, ['cached_tokens_details']))
  const total = count(usage.total_tokens, notes)
  const onlyInput = api === 'embeddings' || api === 'rerank' || api === 'moderations'
  const prompt =
    firstCount(notes, usage.prompt_tokens, usage.input_tokens) ??
    sumOf(count(usage.prompt_cache_hit_tokens, notes), count(usage.prompt_cache_miss_tokens, notes)) ??
    (onlyInput ? total : null)
  // What can have no output is not the same as what does not tell it.
  const completion = firstCount(notes, usage.completion_tokens, usage.output_tokens) ?? (onlyInput && prompt !== null ? 0 : null)
  const cacheReadTokens = firstPositive(notes, [
    ...each(inputs, 'cached_tokens'),
    usage.prompt_cache_hit_tokens,
    usage.cached_tokens,
    usage.num_cached_tokens,
    usage.cache_read_input_tokens,
    usage.cached_prompt_text_tokens,
  ])
  const cacheWriteTokens = firstPositive(notes, [
    ...each(inputs, 'cache_write_tokens'),
    ...each(inputs, 'cache_creation_tokens'),
    usage.cache_creation_input_tokens || null,
  ])
  const lifetimes = inputs.map((details) => objectAt(details, 'cache_creation_token_details')).find((found) => found !== null)
  const reasoning = firstPositive(notes, [...each(outputs, 'reasoning_tokens'), usage.reasoning_tokens])
  const audio = firstPositive(notes, each(inputs, 'audio_tokens'))
  const { input, output, restReasoning, restAudio } = placed(
    {
      prompt,
      completion,
      total,
      reasoning: reasoning ?? 0,
      audio: audio ?? 0,
      cached: (cacheReadTokens ?? 0) + (cacheWriteTokens ?? 0),
    },
    besideAt(provider, api, usage),
    notes,
  )
  const serviceTier = wordOf(raw, 'service_tier') ?? textAt(usage, 'service_tier')
  const read = wireUsage(
    {
      inputTokens: input,
      outputTokens: output,
      cacheReadTokens,
      cacheWriteTokens,
      cacheWrite5mTokens: count(lifetimes?.ephemeral_5m_input_tokens, notes),
      cacheWrite1hTokens: count(lifetimes?.ephemeral_1h_input_tokens, notes),
      reasoningTokens: restReasoning > 0 ? restReasoning : reasoning,
      inputAudioTokens: restAudio > 0 ? restAudio : audio,
      outputAudioTokens: firstPositive(notes, each(outputs, 'audio_tokens')),
      inputImageTokens: firstPositive(notes, each(inputs, 'image_tokens')),
      outputImageTokens: firstPositive(notes, each(outputs, 'image_tokens')),
      cacheReadAudioTokens: firstPositive(notes, each(cachedSplits, 'audio_tokens')),
      cacheReadImageTokens: firstPositive(notes, each(cachedSplits, 'image_tokens')),
      extra: extrasOf(usage, tools, told.get('transcript')),
      serviceTier,
      providerCostUsd: toldCost(usage, told.get('provider_metadata') ?? null, notes),
    },
    notes,
  )
  const hasTokens = read.inputTokens !== null || read.outputTokens !== null
  if (!hasTokens) {
    // A response that is still being made has used nothing yet: its own usage comes with the read that finds it done.
    if (wordOf(raw, 'pending') !== null) return { ...noUsage('not_applicable', read.notes), serviceTier }
    // Free where nothing is told (OpenAI); Mistral tells tokens and bills them.
    if (api === 'moderations' && read.usageSource === 'none') return noUsage('not_applicable', read.notes)
    const images = count(told.get('images')?.count, notes)
    // Counted, not told: the wire is no source of it.
    if (images !== null && images > 0) return { ...read, extra: { ...read.extra, images } }
  }
  return read
}
