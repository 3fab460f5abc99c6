import { parseLimitPolicies, type LimitPolicy, type ParsedLimitPolicies } from '../../core/limit-policy.js'
import type { OwnValues } from './own-values.js'

/** What a caller asks of its own limits (headers.md §3.5). */
export interface RateLimitAsked {
  /** `null` = what was sent makes no sense, and its dialect forgives that. */
  readonly policies: readonly LimitPolicy[] | null
  /** What happens without a value for the segment, where the policy does not say. */
  readonly missing: 'shared' | 'allow'
  /** Name of the header in lower case, for warnings. */
  readonly header: string
}

/** Callers send the same few policies over and over. */
const known = new Map<string, ParsedLimitPolicies>()
const mostKnown = 1000
const longestKnown = 512

const parse = (text: string): ParsedLimitPolicies => {
  let found = known.get(text)
  if (found === undefined) {
    found = parseLimitPolicies(text)
    if (known.size < mostKnown && text.length <= longestKnown) known.set(text, found)
  }
  return found
}

/**
 * Reads the policies a call brings along.
 *
 * @returns `null` when it brings none.
 * @throws WeirError `bad_header`, naming the character, unless the dialect forgives.
 */
export const readRateLimit = (own: OwnValues): RateLimitAsked | null => {
  const found = own.get('ratelimit-policy')
  if (found === undefined) return null
  const { policies, fault } = parse(found.value.trim())
  if (fault !== null) own.bad(found, `at character ${fault.at}: ${fault.message.replace(/\.$/, ';')}`)
  return {
    policies,
    missing: own.forgives(found) ? 'allow' : 'shared',
    header: found.name.toLowerCase(),
  }
}
