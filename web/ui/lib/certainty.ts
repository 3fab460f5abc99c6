import type { RequestSummary } from '../../api/contract.js'
import { usdCell, usdSignificant } from './money.js'

/** How sure a figure is. Each looks different on every page: `$1`, `≈ $1`, `≥ $1`, `—`. */
export type Certainty = 'exact' | 'estimated' | 'partial' | 'unknown' | 'free'
export interface Figure {
  readonly text: string
  readonly certainty: Certainty
  /** A sentence for the tooltip and for screen readers. */
  readonly why: string
}

const reasons: Readonly<Record<string, string>> = {
  unknown_model: 'no price is known for this model',
  no_tier_price: 'no price is known for this tier, so the standard price was taken',
  cut: 'the answer was cut before the provider told its usage',
  not_on_wire: 'the provider did not tell its usage',
  unreadable: 'the answer could not be read',
  cached: 'answered from the cache',
  refused: 'the call was refused',
  lost: 'the proxy was killed during the call',
  not_applicable: 'this kind of call has no tokens',
  free: 'the prices of this installation say that it is free',
  read: 'a read, a list or a file',
  poll: 'a look at what is still being made, or was charged elsewhere',
  http_error: 'the provider refused it',
  no_answer: 'no answer began',
  connection: 'the connection alone: its responses are calls of their own',
  already_charged: 'an earlier call was charged for this response',
  less_already_charged: 'less what an earlier call was charged for this response',
  repriced: 'priced again since it was stored',
  usage_clamped: 'the usage that was told contradicts itself',
  passes_in_one_sum: 'several passes were told as one sum',
  quantity_not_told: 'a part of what was used is not known',
  no_1h_price: 'the price of a one-hour cache write is not known',
  no_price_container: 'containers are shared by calls and not priced',
  assumed_price: "the gateway's own price is not known, so the one of the model's maker was taken",
  free_daily_share: 'a share of the searches may be free, which is not told',
  attempt_given_up: 'an attempt that was given up may be billed, and was counted by Weir',
  byok_cost_not_told: "the provider did not tell what the model cost under the caller's own key",
  no_price_image: 'no price is known for a picture of this size',
  no_price_annotated_page: 'no price is known for an annotated page',
  out_of_range: 'the figures told are beyond any price',
}
/** Reasons, several parted by spaces, in words; one we do not know stays as it is. */
export const reasonText = (reason: string): string =>
  reason
    .split(' ')
    .map((each) => reasons[each] ?? each.replaceAll('_', ' '))
    .join('; ')

const because = (reason: string): string => (reason === '' ? '' : `: ${reasonText(reason)}`)

type Priced = Pick<RequestSummary, 'costUsd' | 'costStatus' | 'costReason'>

/** What a call cost, as it may be shown. `cell` lines up in a column, `significant` is for one call. */
export const costFigure = ({ costUsd, costStatus, costReason }: Priced, places: 'cell' | 'significant' = 'cell'): Figure => {
  if (costUsd === null) return { text: '—', certainty: 'unknown', why: `Cost not known${because(costReason)}.` }
  const text = places === 'cell' ? usdCell(costUsd) : usdSignificant(costUsd)
  switch (costStatus) {
    case 'estimated':
      return { text: `≈ ${text}`, certainty: 'estimated', why: `Estimated${because(costReason)}.` }
    case 'partial':
      return { text: `≥ ${text}`, certainty: 'partial', why: `At least this much${because(costReason)}.` }
    case 'not_billable':
      return { text: '$0', certainty: 'free', why: `Not billed${because(costReason)}.` }
    case 'provider':
      return { text, certainty: 'exact', why: 'Exact: told by the provider.' }
    default:
      return { text, certainty: 'exact', why: 'Exact: usage told by the provider, price from the book.' }
  }
}

type Counted = Pick<RequestSummary, 'usageSource' | 'usageReason'>

/** A count of tokens, marked when Weir counted it itself. */
export const tokenFigure = (tokens: number | null, { usageSource, usageReason }: Counted): Figure => {
  if (tokens === null)
    return { text: '—', certainty: 'unknown', why: `Not known${because(usageReason) || ': the provider did not tell'}.` }
  const text = tokens.toLocaleString('en-US')
  return usageSource === 'estimated'
    ? { text: `≈ ${text}`, certainty: 'estimated', why: `Counted by Weir${because(usageReason)}.` }
    : { text, certainty: 'exact', why: '' }
}
