import type { Cost } from '../../core/prices/cost.js'
import { picoOf, usdOf } from '../../core/prices/money.js'

/** What each attempt cost, in their order: the last bears what the others do not. */
export const attemptCosts = (attempts: number, { lines, totalUsd }: Cost): readonly (string | null)[] => {
  const costs = Array.from({ length: attempts }, () => 0n)
  for (const { attempt, amountUsd } of lines)
    if (attempt >= 1 && attempt < attempts && amountUsd !== null)
      costs[attempt - 1] = (costs[attempt - 1] ?? 0n) + (picoOf(amountUsd) ?? 0n)
  const others = costs.reduce((sum, cost) => sum + cost, 0n)
  return costs.map((cost, index) => {
    if (index < attempts - 1) return usdOf(cost)
    if (totalUsd === null) return null
    const left = (picoOf(totalUsd) ?? 0n) - others
    return usdOf(left < 0n ? 0n : left)
  })
}
