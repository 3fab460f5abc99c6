import type { Exchange } from '../core/exchange.js'
import type { Usage } from '../core/usage.js'
import { readUsage } from '../core/usage-reader.js'
import { needOf } from './enrich/estimate.js'
import type { Known } from './enrich/known.js'
import type { CallToCount, Counts, Need } from './tokens/count-call.js'
import type { TokenCounter } from './tokens/counter.js'

/**
 * Finds out what `enrich` has to be told about some calls, of all of them together.
 *
 * @returns One entry per call, in order; a promise only when the tokenizer has to be asked, so that calls which told their usage wait
 * for nothing.
 */
export type Prepare = (exchanges: readonly Exchange[]) => readonly Known[] | Promise<readonly Known[]>

/** Store and exporters ask for the same calls, at their own times: both get what the first was told, failures too. */
const remembered = 4096

const usageOf = (exchange: Exchange): Usage | null => {
  try {
    return readUsage(exchange.provider, exchange.api, exchange.usageRaw, exchange)
  } catch {
    return null // `enrich` meets the same fault, and the record is set aside
  }
}

const callOf = (exchange: Exchange, need: Need): CallToCount => ({
  api: exchange.api,
  model: exchange.responseModel ?? exchange.requestModel ?? '',
  streaming: exchange.streaming,
  need,
  request: need.input ? exchange.reqBody : null,
  response: need.output ? exchange.resBody : null,
  reqBytes: exchange.counts.reqBytes,
  resBytes: exchange.counts.resBytes,
  contentChars: exchange.counts.contentChars,
})

export const createPrepare = (counter: Pick<TokenCounter, 'count'>): Prepare => {
  const counted = new Map<string, Counts | null>()

  const remember = (id: string, counts: Counts | null): void => {
    counted.delete(id)
    counted.set(id, counts)
    for (const oldest of counted.keys()) {
      if (counted.size <= remembered) break
      counted.delete(oldest)
    }
  }

  const withCounts = async (
    exchanges: readonly Exchange[],
    usages: readonly (Usage | null)[],
    needs: ReadonlyMap<number, Need>,
  ): Promise<readonly Known[]> => {
    const asked = [...needs].filter(([index]) => !counted.has((exchanges[index] as Exchange).id))
    const answers =
      asked.length === 0 ? [] : await counter.count(asked.map(([index, need]) => callOf(exchanges[index] as Exchange, need)))
    const counts = new Map<number, Counts | null>()
    for (const index of needs.keys()) counts.set(index, counted.get((exchanges[index] as Exchange).id) ?? null)
    for (const [at, [index]] of asked.entries()) {
      counts.set(index, answers[at] ?? null)
      remember((exchanges[index] as Exchange).id, answers[at] ?? null)
    }
    return usages.map((usage, index) => ({ usage, counts: counts.get(index) ?? null, charged: null }))
  }

  return (exchanges) => {
    const usages = exchanges.map(usageOf)
    const needs = new Map<number, Need>()
    for (const [index, usage] of usages.entries()) {
      const need = usage === null ? null : needOf(usage, exchanges[index] as Exchange)
      if (need !== null) needs.set(index, need)
    }
    if (needs.size > 0) return withCounts(exchanges, usages, needs)
    return usages.map((usage) => ({ usage, counts: null, charged: null }))
  }
}
