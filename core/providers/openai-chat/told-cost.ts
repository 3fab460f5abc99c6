import { decimalOf, picoOf, usdOf } from '../../prices/money.js'
import { objectAt, type JsonObject } from '../json-text.js'
import type { Notes } from '../usage-fields.js'

/** Decimal USD of a told figure; exponents and floats are written out exactly as JSON told them. */
const usdFrom = (value: unknown): string | null => {
  const text = typeof value === 'number' && Number.isFinite(value) ? String(value) : typeof value === 'string' ? value : null
  if (text === null || (decimalOf(text)?.digits ?? -1n) < 0n) return null
  const pico = picoOf(text)
  return pico === null ? null : usdOf(pico)
}

/** xAI counts in ticks of 10^-10 USD. */
const usdFromTicks = (ticks: unknown): string | null =>
  typeof ticks === 'number' && Number.isInteger(ticks) && ticks >= 0 ? usdOf(BigInt(ticks) * 100n) : null

/**
 * The cost a provider tells for a call, in decimal USD; `null` when it tells none. Who is believed is the price engine's to say.
 *
 * @param metadata What stands beside `usage` (Vercel): its text is exact where `usage.cost` is a float.
 */
export const toldCost = (usage: JsonObject, metadata: JsonObject | null, notes: Notes): string | null => {
  const told =
    usdFromTicks(usage.cost_in_usd_ticks) ??
    usdFrom(objectAt(metadata, 'gateway')?.cost) ??
    usdFrom(usage.cost) ??
    usdFrom(objectAt(usage, 'cost')?.total_cost) ??
    usdFrom(usage.estimated_cost)
  if (told === null || usage.is_byok !== true) return told
  // With the caller's own key the gateway tells its fee; the model's cost stands beside it.
  const upstream = usdFrom(objectAt(usage, 'cost_details')?.upstream_inference_cost)
  if (upstream === null) {
    notes.add('byok_cost_not_told')
    return null
  }
  return usdOf((picoOf(told) ?? 0n) + (picoOf(upstream) ?? 0n))
}
