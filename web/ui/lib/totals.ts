import type { Figure } from './certainty.js'
import { plural } from './format.js'
import { approximate, usd } from './money.js'

/** A sum of costs: a lower bound when some rows have no price, about right when some were counted by us. */
export const sumFigure = (costUsd: string, { unpriced, estimated = 0 }: { unpriced: number; estimated?: number }): Figure => {
  const text = usd(costUsd)
  if (unpriced > 0 && approximate(costUsd) === 0)
    return { text: '—', certainty: 'unknown', why: `Not known: ${plural(unpriced, 'call has', 'calls have')} no price.` }
  if (unpriced > 0)
    return {
      text: `≥ ${text}`,
      certainty: 'partial',
      why: `At least this much: ${plural(unpriced, 'call has', 'calls have')} no price.`,
    }
  if (estimated > 0)
    return {
      text: `≈ ${text}`,
      certainty: 'estimated',
      why: `The tokens of ${plural(estimated, 'call were', 'calls were')} counted by Weir, not told by the provider.`,
    }
  return { text, certainty: 'exact', why: '' }
}
