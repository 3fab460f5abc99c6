import { parseItem, StructuredFieldError, type Item } from '../../core/structured-fields.js'
import type { OwnValue, OwnValues } from './own-values.js'

/** In which order several targets are tried (routing.md §7). */
export interface StrategyAsked {
  readonly name: 'fallback' | 'weighted' | 'latency' | 'cost'
  /** Weight of the call's own target. */
  readonly primary: number
  readonly sticky: 'none' | 'user' | 'session'
}

/** As given. */
export const inOrder: StrategyAsked = { name: 'fallback', primary: 1, sticky: 'none' }
const strategies = ['fallback', 'weighted', 'latency', 'cost'] as const
const stickiness = ['none', 'user', 'session'] as const

const wordOf = <T extends string>(words: readonly T[], { type, value }: Pick<Item, 'type' | 'value'>): T | null =>
  type === 'token' ? (words.find((word) => word === value) ?? null) : null

const strategyFrom = (item: Item, found: OwnValue, own: OwnValues): StrategyAsked => {
  const name = wordOf(strategies, item)
  if (name === null) own.bad(found)
  let { primary, sticky }: StrategyAsked = inOrder
  for (const [key, param] of item.params) {
    if (key === 'primary') {
      if (param.type !== 'integer' || param.value < 0 || param.value > 1000)
        own.bad(found, `at character ${param.at} primary= is a whole number from 0 to 1000;`)
      primary = Number(param.value)
    } else if (key === 'sticky') {
      const word = wordOf(stickiness, param)
      if (word === null) own.bad(found, `at character ${param.at} sticky= is none, user or session;`)
      sticky = word ?? 'none'
    } else own.bad(found, `at character ${param.at} "${key}" is no parameter of it;`)
  }
  return { name: name ?? 'fallback', primary, sticky }
}

/**
 * Reads `Weir-Strategy`, as `weighted;primary=3;sticky=user`.
 *
 * @throws WeirError `bad_header`
 */
export const readStrategy = (own: OwnValues): StrategyAsked => {
  const found = own.get('strategy')
  if (found === undefined) return inOrder
  try {
    return strategyFrom(parseItem(found.value), found, own)
  } catch (cause) {
    if (!(cause instanceof StructuredFieldError)) throw cause
    own.bad(found, `at character ${cause.at} ${cause.message};`)
    return inOrder
  }
}
