import type { Exchange } from '../../core/exchange.js'
import type { Cost } from '../../core/prices/cost.js'
import type { GivenUp } from '../../core/prices/price.js'
import { text, uint32 } from './columns.js'
import type { AttemptFactsTuple, AttemptTuple, PassedOverTuple } from './enriched.js'
import { attemptCosts } from './given-up.js'

/** What a column of type UInt8 counts to. */
const most = 255

/** Every send of the call, each with its share of the cost. The one whose answer is the call's stands last. */
export const attemptTuples = ({ attempts }: Exchange, cost: Cost): readonly AttemptTuple[] => {
  const kept = attempts.slice(0, most)
  const costs = attemptCosts(kept.length, cost)
  return kept.map((attempt, index) => [
    index + 1,
    text(attempt.target),
    attempt.provider,
    text(attempt.model),
    attempt.status,
    attempt.errorKind,
    uint32(attempt.startUs),
    uint32(attempt.endUs),
    costs[index] ?? null,
  ])
}

/**
 * What else is known of single attempts; those of which nothing is are left out.
 *
 * @param givenUp Those that may be billed although another answered: their tokens are the ones they are priced by. The last attempt's
 * tokens are those of the row.
 */
export const attemptFactsTuples = ({ attempts }: Exchange, givenUp: readonly GivenUp[]): readonly AttemptFactsTuple[] =>
  attempts.slice(0, most).flatMap(({ replayed = false }, index) => {
    const usage = givenUp.find(({ attempt }) => attempt === index + 1)?.usage
    return replayed || usage !== undefined
      ? [[index + 1, replayed, usage?.inputTokens ?? null, usage?.outputTokens ?? null] as const]
      : []
  })

export const passedOverTuples = ({ passedOver = [] }: Exchange): readonly PassedOverTuple[] =>
  passedOver.slice(0, most).map(({ target, reason, after }) => [text(target), reason, Math.min(after, most)])
