import type { Check } from './check.js'
import { verdicts } from './check.js'

const dayMs = 86_400_000

/**
 * Prices ship with the release and are never fetched, so their age is the release's.
 *
 * @param id Of the price book.
 */
export const checkPrices = (now: number, id: string): Check => {
  const { ok, warn } = verdicts('prices')
  const [, date = ''] = id.split('+')
  const days = Math.floor((now - Date.parse(date)) / dayMs)
  if (!Number.isFinite(days)) return warn(`of an unknown day (${id})`, 'Install a released version of Weir.')
  return days > 90
    ? warn(`from ${date}, ${days} days old`, 'Update Weir: newer models are unpriced until then.')
    : ok(`from ${date} (${id})`)
}
