import type { CostLine } from '../../core/prices/cost.js'
import type { Usage } from '../../core/usage.js'
import type { Enriched } from '../enrich/enriched.js'
import { failed, firstBytes, known, previews, requestParameters } from './attributes.js'
import type { Attributes } from './span.js'

/** Langfuse adds its buckets up, so they must be disjoint: each is what no other one covers. */
export const usageDetails = (usage: Usage): Readonly<Record<string, number>> => {
  const details: Record<string, number> = {}
  const put = (bucket: string, tokens: number | null): number => {
    if (tokens === null || (tokens <= 0 && bucket !== 'input' && bucket !== 'output')) return 0
    details[bucket] = Math.max(0, tokens)
    return details[bucket]
  }
  const less = (whole: number | null, part: number | null): number | null => (whole === null ? null : whole - (part ?? 0))
  if (usage.inputTokens !== null) {
    const parts =
      put('cache_read', usage.cacheReadTokens) +
      put('cache_write', usage.cacheWriteTokens) +
      put('input_audio', less(usage.inputAudioTokens, usage.cacheReadAudioTokens)) +
      put('input_image', less(usage.inputImageTokens, usage.cacheReadImageTokens))
    put('input', usage.inputTokens - parts)
  }
  if (usage.outputTokens !== null) {
    const parts =
      put('reasoning', usage.reasoningTokens) +
      put('output_audio', usage.outputAudioTokens) +
      put('output_image', usage.outputImageTokens)
    put('output', usage.outputTokens - parts)
  }
  if (usage.inputTokens !== null || usage.outputTokens !== null)
    details['total'] = (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0)
  return details
}

const buckets: Readonly<Partial<Record<CostLine['unit'], string>>> = {
  input: 'input',
  cache_read: 'cache_read',
  cache_read_audio: 'cache_read',
  cache_read_image: 'cache_read',
  cache_write: 'cache_write',
  cache_write_1h: 'cache_write',
  input_audio: 'input_audio',
  input_image: 'input_image',
  output: 'output',
  reasoning: 'reasoning',
  output_audio: 'output_audio',
  output_image: 'output_image',
}

/** A decimal with at most 12 places as a whole number of 10^-12. */
const pico = (decimal: string): bigint => {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal) ?? []
  const value = BigInt(whole) * 10n ** 12n + BigInt(fraction.padEnd(12, '0').slice(0, 12))
  return sign === '-' ? -value : value
}
/** For JSON numbers: the nearest double of an exact sum. */
const usd = (sum: bigint): number =>
  Number(
    `${sum < 0n ? '-' : ''}${(sum < 0n ? -sum : sum)
      .toString()
      .padStart(13, '0')
      .replace(/(\d{12})$/, '.$1')}`,
  )

/** Cost by the buckets of `usageDetails`, fees as `other`; `null` when no price is known. */
export const costDetails = ({ cost }: Enriched): Readonly<Record<string, number>> | null => {
  if (cost.totalUsd === null) return null
  const sums = new Map<string, bigint>()
  for (const line of cost.lines) {
    if (line.amountUsd === null) continue
    const bucket = buckets[line.unit] ?? 'other'
    sums.set(bucket, (sums.get(bucket) ?? 0n) + pico(line.amountUsd))
  }
  return { ...Object.fromEntries([...sums].map(([bucket, sum]) => [bucket, usd(sum)])), total: Number(cost.totalUsd) }
}

const level = (enriched: Enriched): string | null =>
  failed(enriched, 400) ? 'ERROR' : enriched.row.outcome === 'client_abort' ? 'WARNING' : null

const jsonOf = (value: object | null): string | null =>
  value === null || Object.keys(value).length === 0 ? null : JSON.stringify(value)

/**
 * What Langfuse reads beside the common attributes (traces.md §4). Its own keys win over `gen_ai.*`, and it reads neither
 * `gen_ai.usage.cache_write.*` nor `time_to_first_chunk`.
 *
 * @param completionStart When the first content came; `null` = never, or not a stream.
 */
export const langfuseAttributes = (
  enriched: Enriched,
  { spanName, content, completionStart }: { spanName: string; content: 'none' | 'preview'; completionStart: string | null },
): Attributes => {
  const { row, usage } = enriched
  const preview = content === 'preview' ? previews(enriched) : { input: '', output: '' }
  const isCall = row.operation !== ''
  return known({
    'langfuse.user.id': row.user_id,
    'langfuse.session.id': row.session_id,
    'langfuse.trace.name': row.session_name === '' ? spanName : row.session_name,
    'langfuse.trace.tags': row.tags,
    ...Object.fromEntries(Object.entries(row.properties).map(([key, value]) => [`langfuse.trace.metadata.${key}`, value])),
    'langfuse.observation.type': row.operation === 'embeddings' ? 'embedding' : isCall ? 'generation' : 'span',
    'langfuse.observation.model.name': isCall ? row.model : null,
    'langfuse.observation.model.parameters': jsonOf(requestParameters(enriched)),
    'langfuse.observation.usage_details': isCall ? jsonOf(usageDetails(usage)) : null,
    'langfuse.observation.cost_details': isCall ? jsonOf(costDetails(enriched)) : null,
    'langfuse.observation.completion_start_time': completionStart,
    'langfuse.observation.prompt.name': row.prompt_id,
    'langfuse.observation.prompt.version': /^\d+$/.test(row.prompt_version) ? Number(row.prompt_version) : null,
    'langfuse.observation.input': preview.input,
    'langfuse.observation.output': preview.output,
    'langfuse.observation.level': level(enriched),
    'langfuse.observation.status_message': failed(enriched, 400) ? firstBytes(row.error_message, 256) : null,
    'langfuse.observation.metadata.request_id': row.request_id,
    'langfuse.observation.metadata.outcome': row.outcome,
    'langfuse.observation.metadata.cost_status': row.cost_status,
  })
}
