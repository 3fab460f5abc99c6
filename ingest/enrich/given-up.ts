import type { Attempt, Exchange } from '../../core/exchange.js'
import type { Cost } from '../../core/prices/cost.js'
import { picoOf, usdOf } from '../../core/prices/money.js'
import type { GivenUp } from '../../core/prices/price.js'
import { readUsage } from '../../core/usage-reader.js'
import { noUsage, type Tokens, type Usage } from '../../core/usage.js'

/** We gave up waiting: the model may have worked all the while. A connection that never opened reached no model. */
const waitedFor = new Set(['timeout_ttft', 'timeout_idle', 'timeout_total'])

const begun = ({ status }: Attempt): boolean => status >= 200 && status < 300

const isBilled = (attempt: Attempt): boolean => attempt.errorKind !== '' && (begun(attempt) || waitedFor.has(attempt.errorKind))

/** As far as it came: what it told, else the input of the call; output that was never told is unknown once it had begun. */
const usageOf = (attempt: Attempt, api: string, inputTokens: Tokens): Usage => {
  const told = attempt.usageRaw.length === 0 ? noUsage('cut') : readUsage(attempt.provider, api, attempt.usageRaw)
  return {
    ...told,
    inputTokens: told.inputTokens ?? inputTokens,
    outputTokens: told.outputTokens ?? (begun(attempt) ? null : 0),
    usageSource: 'estimated',
    reason: 'cut',
  }
}

/**
 * The attempts before the last that a provider may bill. HTTP errors and failures before a byte cost nothing.
 *
 * @param inputTokens Of the call, as told or counted for its last attempt.
 */
export const givenUpOf = ({ attempts, api }: Pick<Exchange, 'attempts' | 'api'>, inputTokens: Tokens): readonly GivenUp[] =>
  attempts.slice(0, -1).flatMap((attempt, index) =>
    isBilled(attempt)
      ? [
          {
            attempt: index + 1,
            provider: attempt.provider,
            model: attempt.model,
            usage: usageOf(attempt, api, inputTokens),
          },
        ]
      : [],
  )

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
