import { parseConditions, type Conditions } from '../../core/conditions.js'
import { headerText, type OwnValue, type OwnValues } from './own-values.js'

/** How often, when and after what an attempt at a target is repeated (headers.md §3.4). */
export interface RetryAsked {
  /** Retries after the first attempt, 0 to 10. */
  readonly num: number
  readonly factor: number
  readonly minMs: number
  readonly maxMs: number
  /** The failures that are retried; `null` = those of routing.md §3. */
  readonly on: Conditions | null
}

const whole = /^\d{1,9}$/
const decimal = /^\d{1,9}(?:\.\d{1,9})?$/

interface Bounds {
  readonly form: RegExp
  readonly least: number
  readonly most: number
  readonly absent: number
}

/** Helicone takes any number: one that is too large is lowered there. */
const figure = (own: OwnValues, rest: string, { form, least, most, absent }: Bounds): number => {
  const found = own.get(rest)
  if (found === undefined) return absent
  const text = found.value.trim()
  const value = form.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  if (value > most && own.forgives(found)) {
    own.warn('capped', found)
    return most
  }
  own.bad(found)
  return absent
}

const conditionsIn = (own: OwnValues, found: OwnValue): Conditions | null => {
  const text = headerText(found.value)
  const read = text === null ? null : parseConditions(text)
  if (read !== null && !('at' in read)) return read
  own.bad(found, read === null ? '' : `"${read.word}" at character ${read.at} is no condition;`)
  return null
}

const others = ['retry-num', 'retry-factor', 'retry-min-timeout', 'retry-max-timeout', 'retry-on']

/**
 * Reads what is asked of retries.
 *
 * @returns `null` when none are: the other headers have no effect without `Retry-Enabled`, and a warning says so.
 * @throws WeirError `bad_header`
 */
export const readRetry = (own: OwnValues): RetryAsked | null => {
  const enabled = own.flag('retry-enabled')
  const num = figure(own, 'retry-num', { form: whole, least: 0, most: 10, absent: 5 })
  const factor = figure(own, 'retry-factor', { form: decimal, least: 1, most: 10, absent: 2 })
  const minMs = figure(own, 'retry-min-timeout', { form: whole, least: 0, most: 120_000, absent: 1000 })
  const maxMs = figure(own, 'retry-max-timeout', { form: whole, least: 0, most: 120_000, absent: 10_000 })
  const onHeader = own.get('retry-on')
  const on = onHeader === undefined ? null : conditionsIn(own, onHeader)
  if (enabled) return { num, factor, minMs, maxMs, on }
  for (const rest of others) {
    const found = own.get(rest)
    if (found !== undefined && !own.isFaulty(found)) own.warn('ignored', found)
  }
  return null
}
