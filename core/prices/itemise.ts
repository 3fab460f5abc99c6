import type { Usage } from '../usage.js'
import { note, type Bill, type Place } from './bill.js'
import type { PriceBook, PriceKey } from './book.js'
import type { CallFacts } from './call-facts.js'
import { feeQuantities, type Fees } from './fees.js'
import { pricedModel } from './model-names.js'
import { tokenQuantities, type TokenUsage } from './quantities.js'
import type { Priced } from './sheet.js'
import { regionOf, tierOf } from './tier-and-region.js'

/** How far a call could be itemised. */
export interface Itemised {
  /** A list knows the model. */
  readonly known: boolean
  /** An override says that all of it costs nothing: there are no lines. */
  readonly free: boolean
  /** Something of the call is a quantity, whether the provider told it or the request did. */
  readonly counted: boolean
  /** A quantity that has a price was not told. */
  readonly untold: boolean
}

const allFree: Itemised = { known: true, free: true, counted: true, untold: false }

const hasServerTools = ({ extra }: Usage): boolean =>
  (extra.web_search_requests ?? 0) > 0 || (extra.web_fetch_requests ?? 0) > 0 || (extra.code_execution_requests ?? 0) > 0

const addTokens = (usage: TokenUsage, priced: Priced, place: Place, bill: Bill, fees: Fees | null): void => {
  // Seconds of sound are billed once: as seconds, where the tokens they make have no price of their own.
  const soundIsTime = fees?.coversAudio === true && priced.own('input_audio') === null
  tokenQuantities(usage, priced.own('reasoning') !== null, (unit, quantity) => {
    if (quantity > 0 && !(soundIsTime && (unit === 'input_audio' || unit === 'cache_read_audio')))
      bill.add(unit, quantity, priced, place)
  })
}

/** Has any output a price? Embeddings and rankings have none, and tell none. */
const outputCosts = (priced: Priced | null): boolean => {
  if (priced === null) return false
  for (const unit of ['output', 'output_audio', 'output_image'] as const) {
    const price = priced.own(unit)
    if (price !== null && price.amount(1) !== 0) return true
  }
  return false
}

const isUntold = ({ inputTokens, outputTokens, extra }: Usage, fees: Fees | null, priced: Priced | null): boolean => {
  if (inputTokens !== null && outputTokens !== null) return false
  if (fees?.insteadOfTokens === true || fees?.coversAudio === true) return false
  if (extra.billed_input_tokens !== undefined || extra.billed_output_tokens !== undefined) return false
  if (extra.billed_image_tokens !== undefined) return false
  return inputTokens === null || outputCosts(priced)
}

/** Puts the lines of one call, or of one attempt of it, on a bill: its tokens, part by part, and its fees. */
export const itemise = (usage: Usage, facts: CallFacts, bill: Bill, at: Date, book: PriceBook): Itemised => {
  const { provider, attempt } = facts
  const tier = tierOf(usage, facts)
  const region = regionOf(usage, facts)
  const callModel = pricedModel(provider, facts.requestModel, facts.responseModel)
  const pricedFor = (model: string, inputTokens: number): Priced | null => {
    const key: PriceKey = { provider, model, tier, region }
    return model === '' ? null : book.priced(key, at, inputTokens)
  }

  const forCall = pricedFor(callModel, usage.inputTokens ?? 0)
  if (forCall?.free === true) return allFree
  const fees = forCall === null ? null : feeQuantities(usage, facts, forCall)
  const ofTokens = fees?.insteadOfTokens !== true && usage.usageSource !== 'none'
  let known = forCall !== null
  let free = false
  if (ofTokens && usage.parts.length === 0) {
    let priced = forCall
    if (priced !== null && facts.api === 'messages' && hasServerTools(usage)) {
      // A server tool makes several passes that the answer tells as one sum: none of them need have had so much input.
      const smallest = pricedFor(callModel, 0)
      if (smallest !== null && smallest !== priced) {
        note(bill.estimated, 'passes_in_one_sum')
        priced = smallest
      }
    }
    if (priced === null) note(bill.partial, 'unknown_model')
    else addTokens(usage, priced, { attempt, part: null, tier, variant: null }, bill, fees)
  } else if (ofTokens) {
    known = false
    free = true
    for (const [part, counted] of usage.parts.entries()) {
      const priced = pricedFor(counted.model ?? callModel, counted.inputTokens ?? 0)
      known ||= priced !== null
      free &&= priced?.free === true
      if (priced === null) note(bill.partial, 'unknown_model')
      else if (!priced.free) addTokens(counted, priced, { attempt, part, tier, variant: null }, bill, null)
    }
  }
  if (fees !== null && forCall !== null) {
    for (const { unit, quantity, variant } of fees.quantities)
      bill.add(unit, quantity, forCall, { attempt, part: null, tier, variant })
    for (const reason of fees.partial) note(bill.partial, reason)
    for (const reason of fees.estimated) note(bill.estimated, reason)
  }
  return {
    known,
    free,
    counted: usage.usageSource !== 'none' || fees?.insteadOfTokens === true,
    untold: isUntold(usage, fees, forCall),
  }
}
