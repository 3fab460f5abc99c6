import type { BookedCall } from '../../clickhouse/queries/calls-to-reprice.js'
import type { Outcome, Raw } from '../../core/exchange.js'
import type { PriceBook } from '../../core/prices/book.js'
import type { Cost } from '../../core/prices/cost.js'
import { picoOf, usdOf } from '../../core/prices/money.js'
import { price } from '../../core/prices/price.js'
import { readUsage } from '../../core/usage-reader.js'
import type { Usage } from '../../core/usage.js'
import type { TrustsCost } from '../enrich/trusts-cost.js'

/** What reads were billed by an earlier row: a verdict of the log, which no book changes. */
const settled = new Set(['already_charged', 'less_already_charged'])

const rawOf = (text: string): readonly Raw[] => {
  try {
    const value: unknown = text === '' ? [] : JSON.parse(text)
    return Array.isArray(value) ? (value as Raw[]) : []
  } catch {
    return []
  }
}

/** The usage as it was booked. Only the parts (iterations at models of their own) are read again: the row has no columns for them. */
const usageOf = (call: BookedCall): Usage => {
  const again = call.usageSource === 'wire' ? readUsage(call.provider, call.api, rawOf(call.usageRaw)) : null
  const same = again !== null && again.inputTokens === call.inputTokens && again.outputTokens === call.outputTokens
  return {
    inputTokens: call.inputTokens,
    outputTokens: call.outputTokens,
    cacheReadTokens: call.cacheReadTokens,
    cacheWriteTokens: call.cacheWriteTokens,
    cacheWrite5mTokens: call.cacheWrite5mTokens,
    cacheWrite1hTokens: call.cacheWrite1hTokens,
    reasoningTokens: call.reasoningTokens,
    inputAudioTokens: call.inputAudioTokens,
    outputAudioTokens: call.outputAudioTokens,
    inputImageTokens: call.inputImageTokens,
    outputImageTokens: call.outputImageTokens,
    cacheReadAudioTokens: call.cacheReadAudioTokens,
    cacheReadImageTokens: call.cacheReadImageTokens,
    extra: call.usageExtra,
    parts: same ? again.parts : [],
    serviceTier: call.serviceTier === '' ? null : call.serviceTier,
    region: call.region === '' ? null : call.region,
    providerCostUsd: call.providerUsd,
    usageSource: call.usageSource as Usage['usageSource'],
    reason: call.usageReason === '' ? null : (call.usageReason as Usage['reason']),
    notes: call.usageNotes,
  }
}

const factOf = (text: string): string | number => (/^\d{1,15}(?:\.\d{1,9})?$/.test(text) ? Number(text) : text)

const word = (text: string): string | null => (text === '' ? null : text)

/** What was used by attempts that were given up before the last is told nowhere: they cost what was booked for them. */
const withGivenUp = (cost: Cost, { attempts }: BookedCall): Cost => {
  let earlier = 0n
  for (const { cost: booked } of attempts.slice(0, -1)) earlier += picoOf(booked ?? '0') ?? 0n
  if (earlier === 0n || cost.totalUsd === null) return cost
  const status = cost.status === 'provider' || cost.status === 'partial' ? cost.status : 'estimated'
  return { ...cost, totalUsd: usdOf((picoOf(cost.totalUsd) ?? 0n) + earlier), status, reason: 'attempt_given_up' }
}

/**
 * What a stored call costs by another book, at the time it was made. Pure.
 *
 * @returns `null` where the book has no say: another row was charged for it.
 */
export const priceAgain = (call: BookedCall, book: PriceBook, trustsCost: TrustsCost): Cost | null => {
  if (settled.has(call.costReason)) return null
  // `model` is the override where there was one; else what answered, else what was asked for.
  const overridden = call.model !== (call.responseModel === '' ? call.requestModel : call.responseModel)
  const cost = price(
    usageOf(call),
    {
      provider: call.provider,
      api: call.api,
      endpoint: call.endpoint,
      outcome: call.outcome as Outcome,
      status: call.status,
      requestModel: word(overridden ? call.model : call.requestModel),
      responseModel: overridden ? null : word(call.responseModel),
      serverAddress: word(call.serverAddress),
      asked: Object.fromEntries(Object.entries(call.priceFacts).map(([fact, text]) => [fact, factOf(text)])),
      attempt: Math.max(1, call.attempts.length),
      trustCost: trustsCost(call.provider),
    },
    new Date(Number(call.atMs)),
    book,
  )
  return withGivenUp(cost, call)
}
