import { longestName, percentEncoded } from '../core/percent-encoded.js'
import type { CacheUse } from './cache-use.js'
import { limitHeaders } from './limit-headers.js'
import type { CallRecord } from './record.js'

const printable = (text: string): string => {
  const name = text.slice(0, longestName)
  return /^[\x21-\x7e]*$/.test(name) ? name : percentEncoded(name, '/:')
}

/** What the cache did. A hit costs nothing, and says whose answer it is and what it saved. */
const cacheHeaders = ({ status, replayed }: CacheUse, twins: boolean): string[] => {
  const headers = ['weir-cache', status.toUpperCase()]
  if (twins && status !== 'bypass') headers.push('helicone-cache', status.toUpperCase())
  if (replayed === null) return headers
  const { id, slot, ageMs, totalMs, costUsd } = replayed
  headers.push('age', String(Math.floor(ageMs / 1000)), 'weir-cache-id', id, 'weir-cache-bucket-idx', String(slot))
  if (totalMs !== null) headers.push('weir-cache-latency', String(totalMs))
  if (costUsd !== null) headers.push('weir-cache-saved', costUsd)
  if (twins) {
    headers.push('helicone-cache-bucket-idx', String(slot))
    if (totalMs !== null) headers.push('helicone-cache-latency', String(totalMs))
  }
  headers.push('weir-cost', '0', 'weir-cost-source', 'usage')
  return headers
}

const noHeaders: readonly string[] = []

/**
 * Our headers on an answer (headers.md §4). Flat pairs. No caller text but UUIDs, model names and tokens of rate limits.
 *
 * @param beside Flat pairs of the upstream's that go out with them.
 */
export const ownHeaders = (record: CallRecord, failed: boolean, beside: readonly string[] = noHeaders): string[] => {
  const { call, target, asked } = record
  const headers = ['weir-id', record.id]
  const isChosen = target !== null && (!failed || record.started)
  if (isChosen) {
    headers.push('weir-provider', target.provider.name)
    if (asked?.model) headers.push('weir-model', printable(asked.model))
  }
  const attempts = record.cache?.status === 'hit' ? '' : record.attemptsSaid()
  if (attempts !== '') headers.push('weir-attempts', attempts)
  if (record.attempts !== null && record.attempts.index !== null) {
    headers.push('weir-fallback-index', String(record.attempts.index))
    if (call?.twins === true) headers.push('helicone-fallback-index', String(record.attempts.index))
  }
  if (record.cache !== null) headers.push(...cacheHeaders(record.cache, call?.twins === true))
  if (record.limits !== null) headers.push(...limitHeaders(record.limits, call?.twins === true, beside))
  if (record.warnings.length > 0) headers.push('weir-warning', record.warnings.join(', '))
  if (call?.twins) {
    headers.push('helicone-id', call.identity.clientRequestId ?? record.id, 'helicone-status', failed ? 'failed' : 'success')
    if (isChosen) {
      headers.push('helicone-provider', target.provider.name)
      if (asked?.model) headers.push('helicone-model', printable(asked.model))
      // Keys are the caller's or the operator's own, as Helicone calls that.
      if (call.unifiedPath !== null) headers.push('helicone-gateway-mode', 'BYOK')
    }
  } else if (call?.identity.clientRequestId) headers.push('helicone-id', call.identity.clientRequestId)
  return headers
}
