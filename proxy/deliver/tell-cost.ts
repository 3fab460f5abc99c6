import { openPriceBook } from '../../core/prices/book.js'
import { givenUpOf } from '../../core/prices/given-up.js'
import type { PriceOverride } from '../../core/prices/override.js'
import { price } from '../../core/prices/price.js'
import { readUsage } from '../../core/usage-reader.js'
import type { CallRecord, Ending } from '../record.js'

/** @returns `Weir-Cost` and `Weir-Cost-Source` as flat pairs; `null` = not known. */
export type TellCost = (record: CallRecord, ending: Ending) => readonly string[] | null

const sources = { provider: 'provider', exact: 'usage', not_billable: 'usage', estimated: 'estimated' } as const

/**
 * What a call cost, as flat header pairs, by the functions that price its row. Nothing is counted here: where the provider told no usage,
 * where only a part can be priced, and where an answer is read again, whoever asks is told nothing.
 */
export const openTellCost = (overrides: readonly PriceOverride[]): TellCost => {
  const book = openPriceBook(overrides)
  return (record: CallRecord, { outcome, status }: Ending) => {
    const { call, target, asked, reader } = record
    if (call === null || target === null || reader === null || outcome !== 'complete' || call.method !== 'POST') return null
    const { usageRaw, responseModel } = reader.facts()
    const { provider, route, origin } = target
    const usage = readUsage(provider.name, route.api, usageRaw, {
      resHeaders: record.responseHeaders,
      requestModel: asked?.model ?? null,
    })
    const earlier = record.attempts?.earlier ?? []
    const cost = price(
      usage,
      {
        provider: provider.name,
        api: route.api,
        endpoint: call.endpoint,
        outcome,
        status,
        requestModel: call.identity.modelOverride ?? asked?.model ?? null,
        responseModel: call.identity.modelOverride === null ? responseModel : null,
        serverAddress: origin.slice(origin.indexOf('//') + 2),
        asked: asked?.priceFacts ?? {},
        attempt: earlier.length + 1,
        trustCost: provider.trustCost,
        ...(earlier.length === 0 ? {} : { givenUp: givenUpOf(earlier, route.api, usage.inputTokens) }),
      },
      new Date(record.startedAtMs),
      book,
    )
    const source = cost.status in sources ? sources[cost.status as keyof typeof sources] : null
    return cost.totalUsd === null || source === null ? null : ['weir-cost', cost.totalUsd, 'weir-cost-source', source]
  }
}
