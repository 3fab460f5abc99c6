import { parseDictionary, StructuredFieldError, type Item } from '../../core/structured-fields.js'
import type { OwnValues } from './own-values.js'

/** Times in milliseconds that a call sets for itself; absent = as configured (routing.md §5). */
export type TimeoutsAsked = { readonly [K in 'connect' | 'ttft' | 'idle' | 'total']?: number }

const names: ReadonlySet<string> = new Set(['connect', 'ttft', 'idle', 'total'])
const mostMs = 86_400_000

const isTimeout = ({ type, value, params }: Item): boolean =>
  type === 'integer' && Number(value) >= 1 && Number(value) <= mostMs && params.size === 0

/**
 * Reads `Weir-Timeout`, as `total=60000, ttft=5000`. What is above the configured time is lowered.
 *
 * @returns `null` when nothing is asked.
 * @throws WeirError `bad_header`
 */
export const readTimeouts = (own: OwnValues): TimeoutsAsked | null => {
  const found = own.get('timeout')
  if (found === undefined) return null
  const asked: Record<string, number> = {}
  let capped = false
  try {
    for (const [name, item] of parseDictionary(found.value)) {
      if (!names.has(name)) own.bad(found, `"${name}" is no time-out;`)
      if (!isTimeout(item)) own.bad(found, `at character ${item.at}: ${name} is a whole number of milliseconds, 1 to ${mostMs};`)
      const most = own.ceilings.timeouts[name as keyof TimeoutsAsked]
      asked[name] = Math.min(Number(item.value), most)
      if (Number(item.value) > most) capped = true
    }
  } catch (cause) {
    if (!(cause instanceof StructuredFieldError)) throw cause
    own.bad(found, `at character ${cause.at} ${cause.message};`)
  }
  if (capped) own.warn('capped', found)
  return asked
}
