import { causesOfTeller, wordOf, type Cause, type CauseTeller } from './health-causes.js'
import type { MetricMaker, Sample } from './metric-maker.js'

/** What holds, and what could be told and does not. */
interface Told {
  readonly tellers: readonly CauseTeller[]
  readonly causes: readonly Pick<Cause, 'cause'>[]
}

/** `weir_degraded`: a series for each word of these tellers, and one for each destination that fails. */
export const degradedMetric = (make: MetricMaker, read: () => Told | Promise<Told>): void =>
  make.read('weir_degraded', async () => {
    const { tellers, causes } = await read()
    const holding = causes.map(({ cause }) => wordOf(cause))
    const samples = new Map<string, Sample>()
    for (const { word, each } of tellers.flatMap(causesOfTeller)) {
      const held = holding.filter((one) => one.word === word)
      if (each === null) samples.set(word, { labels: { cause: word }, value: held.length > 0 ? 1 : 0 })
      else for (const { of } of held) samples.set(`${word} ${of ?? ''}`, { labels: { cause: word, [each]: of ?? '' }, value: 1 })
    }
    return samples.values()
  })
