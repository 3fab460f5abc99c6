import type { CheckedPolicy, LimitUse } from './limit-use.js'

/** A policy's name in the draft's headers: its own, or its place in the list. */
const nameOf = ({ name }: CheckedPolicy, i: number): string => JSON.stringify(name ?? `policy-${i + 1}`)

const has = (flat: readonly string[], lower: string): boolean =>
  flat.some((word, i) => i % 2 === 0 && word.length === lower.length && word.toLowerCase() === lower)

/**
 * What the limits did, as flat pairs (headers.md §4): the tightest policy in our own headers, all of them in those of
 * draft-ietf-httpapi-ratelimit-headers, which an upstream's go before.
 *
 * @param beside Flat pairs of the upstream's.
 */
export const limitHeaders = ({ fault, checked, tightest }: LimitUse, twins: boolean, beside: readonly string[]): string[] => {
  const own: string[] = []
  if (tightest !== null)
    own.push(
      'ratelimit-limit',
      String(tightest.limit),
      'ratelimit-remaining',
      String(tightest.remaining),
      'ratelimit-reset',
      String(tightest.resetS),
      'ratelimit-policy',
      tightest.text,
    )
  if (fault !== null) own.push('ratelimit-error', fault)
  const headers: string[] = []
  for (let i = 0; i < own.length; i += 2) {
    const name = own[i] as string
    const value = own[i + 1] as string
    headers.push(`weir-${name}`, value)
    if (twins) headers.push(`helicone-${name}`, value)
  }
  if (checked.length === 0 || has(beside, 'ratelimit') || has(beside, 'ratelimit-policy')) return headers
  headers.push(
    'ratelimit-policy',
    checked
      .map(
        (each, i) => `${nameOf(each, i)};q=${each.limit};w=${each.windowS}${each.unit === 'request' ? '' : `;qu="${each.unit}"`}`,
      )
      .join(', '),
    'ratelimit',
    checked.map((each, i) => `${nameOf(each, i)};r=${each.remaining};t=${each.resetS}`).join(', '),
  )
  return headers
}
