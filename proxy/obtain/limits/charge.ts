import type { Attempt } from '../../../core/exchange.js'
import { openPriceBook } from '../../../core/prices/book.js'
import { givenUpOf } from '../../../core/prices/given-up.js'
import { picoOf } from '../../../core/prices/money.js'
import type { PriceOverride } from '../../../core/prices/override.js'
import { price, type CallFacts, type GivenUp } from '../../../core/prices/price.js'
import type { AnswerFacts } from '../../../core/providers/answer.js'
import { readUsage } from '../../../core/usage-reader.js'
import { noUsage, type Usage } from '../../../core/usage.js'
import type { CallRecord, Ending } from '../../record.js'

/** What a call uses, or may use, in millionths of the units of limits. */
export interface Charge {
  readonly tokensMicro: number
  /** `null` = no price is known. */
  readonly centsMicro: number | null
}

/** What a call may use at most, as far as its request tells. */
export interface Estimate {
  readonly inputTokens: number
  readonly outputTokens: number
}

export interface Charges {
  /** For a call that has not been sent. */
  before(record: CallRecord, estimate: Estimate): Charge
  /** For a call that has ended. What was not told is estimated: its input as before, its output by what came. */
  after(record: CallRecord, ending: Ending, estimate: Estimate): Charge
}

const nothing: Charge = { tokensMicro: 0, centsMicro: 0 }
const charsPerToken = 4
const picoPerMicroCent = 10_000n

/** Rounded up. Amounts a number cannot hold are more than any quota. */
const microCents = (usd: string): number => Number(((picoOf(usd) ?? 0n) + picoPerMicroCent - 1n) / picoPerMicroCent)

/** Nothing was used: it was never sent, or the provider refused it, or it answers without working for it. */
const isFree = ({ outcome, status }: Ending, usage: Usage): boolean =>
  outcome === 'refused' ||
  outcome === 'cached' ||
  status >= 400 ||
  (status === 0 && (outcome === 'upstream_abort' || outcome === 'client_abort')) ||
  usage.reason === 'not_applicable'

/** Counts that grow from event to event stand for what came before the stream broke. */
const isCut = ({ outcome }: Ending, finishReason: string | null): boolean => outcome !== 'complete' && finishReason === null

const estimated = ({ inputTokens, outputTokens }: Estimate): Usage => ({
  ...noUsage('not_on_wire'),
  inputTokens,
  outputTokens,
  usageSource: 'estimated',
})

/** Those that were over before the one whose end this is. */
const earlierAttempts = ({ attempts }: CallRecord): readonly Attempt[] =>
  attempts === null ? [] : attempts.open ? attempts.over : attempts.over.slice(0, -1)

/** What was told; input as estimated before and output by what came, where that was not told or stopped being told. */
const asFarAsKnown = (told: Usage, ending: Ending, estimate: Estimate, facts: AnswerFacts | undefined): Usage => {
  const came = Math.ceil((facts?.contentChars ?? 0) / charsPerToken)
  const inputTokens = told.inputTokens ?? estimate.inputTokens
  const outputTokens =
    told.outputTokens !== null && !isCut(ending, facts?.finishReason ?? null)
      ? told.outputTokens
      : Math.max(told.outputTokens ?? 0, came)
  if (told.usageSource === 'none') return { ...told, inputTokens, outputTokens, usageSource: 'estimated' }
  // Told in parts, each with its own price: they are the whole.
  return told.parts.length > 0 ? told : { ...told, inputTokens, outputTokens }
}

/**
 * Charges by the functions that price a row (cost.md). Nothing is tokenized here: what a provider does not tell is taken from lengths.
 *
 * @param overrides Prices of weir.yaml.
 */
export const openCharges = (overrides: readonly PriceOverride[]): Charges => {
  const book = openPriceBook(overrides)

  const centsOf = (
    record: CallRecord,
    usage: Usage,
    { outcome, status }: Pick<Ending, 'outcome' | 'status'>,
    givenUp: readonly GivenUp[],
  ): number | null => {
    const { call, target, asked, reader } = record
    if (call === null || target === null) return null
    const facts: CallFacts = {
      provider: target.provider.name,
      api: target.route.api,
      endpoint: call.endpoint,
      outcome,
      status,
      requestModel: call.identity.modelOverride ?? asked?.model ?? null,
      responseModel: call.identity.modelOverride === null ? (reader?.facts().responseModel ?? null) : null,
      serverAddress: target.origin.slice(target.origin.indexOf('//') + 2),
      asked: asked?.priceFacts ?? {},
      attempt: givenUp.length + 1,
      trustCost: target.provider.trustCost,
      givenUp,
    }
    const { totalUsd } = price(usage, facts, new Date(record.startedAtMs), book)
    return totalUsd === null ? null : microCents(totalUsd)
  }

  return {
    before: (record, estimate) => ({
      tokensMicro: (estimate.inputTokens + estimate.outputTokens) * 1e6,
      centsMicro: centsOf(record, estimated(estimate), { outcome: 'complete', status: 200 }, []),
    }),
    after: (record, ending, estimate) => {
      const { target, asked, reader } = record
      if (target === null) return nothing
      const facts = reader?.facts()
      const told = readUsage(target.provider.name, target.route.api, facts?.usageRaw ?? [], {
        resHeaders: record.responseHeaders,
        requestModel: asked?.model ?? null,
      })
      const givenUp = givenUpOf(earlierAttempts(record), target.route.api, told.inputTokens ?? estimate.inputTokens)
      const before = givenUp.reduce((sum, { usage }) => sum + (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0), 0)
      if (isFree(ending, told)) return { tokensMicro: before * 1e6, centsMicro: centsOf(record, told, ending, givenUp) }
      const usage = asFarAsKnown(told, ending, estimate, facts)
      return {
        tokensMicro: (before + (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0)) * 1e6,
        centsMicro: centsOf(record, usage, ending, givenUp),
      }
    },
  }
}
