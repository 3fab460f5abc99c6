import type { Admitted } from '../../admit/admit.js'
import type { StrategyAsked } from '../../identify/strategy.js'
import { outputLimit } from '../limits/output-limit.js'
import type { EstimateOnDemand } from './estimate-on-demand.js'
import type { Latencies } from './latencies.js'
import { cheapest, fasterOfTwo, sticking, weighted } from './order.js'
import { holderOf, type Ready } from './ready.js'

export interface RankDeps {
  readonly latencies: Latencies
  readonly estimate: EstimateOnDemand
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
}

const bytesPerToken = 4
/** Of an answer, where the request sets no limit. */
const usualOutputTokens = 1000

const costs = async (ready: readonly Ready[], { call }: Admitted, deps: RankDeps): Promise<(number | null)[]> => {
  const estimate = await deps.estimate()
  const at = new Date(deps.now())
  return ready.map(({ to, content }) =>
    estimate({
      call,
      target: to.target,
      asked: content.asked,
      inputTokens: Math.ceil(content.body.length / bytesPerToken),
      outputTokens: outputLimit(content.body.head) ?? usualOutputTokens,
      at,
    }),
  )
}

/** Puts targets into the order in which they are tried (routing.md §7). Who sticks to one is not drawn for. */
export const ranked = async (
  ready: readonly Ready[],
  { name, sticky }: StrategyAsked,
  admitted: Admitted,
  deps: RankDeps,
): Promise<readonly Ready[]> => {
  if (ready.length < 2 || name === 'fallback') return ready
  if (name === 'cost') return cheapest(ready, await costs(ready, admitted, deps))
  const holder = holderOf(admitted.call, ready[0]?.content.asked ?? null, sticky)
  const drawn = ready.map((each) => ({ each, name: each.to.name, weight: each.to.weight }))
  if (holder !== null) return sticking(drawn, holder).map(({ each }) => each)
  if (name === 'latency') return fasterOfTwo(ready, ({ circuit }) => deps.latencies.of(circuit), deps.random)
  return weighted(drawn, deps.random).map(({ each }) => each)
}
