import type { Tokens } from '../../usage.js'
import { sumOf, type Notes } from '../usage-fields.js'

/** Figures as told, before it is known which of them are in which. */
export interface Told {
  readonly prompt: Tokens
  readonly completion: Tokens
  readonly total: Tokens
  readonly reasoning: number
  readonly audio: number
  /** Read from and written to the provider's cache. */
  readonly cached: number
}

/** What is known to lie beside prompt and completion where the total does not tell. */
export interface Beside {
  readonly reasoning: boolean
  readonly audio: boolean
  readonly cached: boolean
  /** The answer itself prices reasoning apart from the completion, and its total leaves it out (Perplexity's deep research). */
  readonly reasoningApart: boolean
  /** Which part is told by the total alone, as what prompt and completion leave of it. */
  readonly rest: 'reasoning' | 'audio' | null
}

/** All input and all output, and how much of them only the total told. */
export interface Placed {
  readonly input: Tokens
  readonly output: Tokens
  readonly restReasoning: number
  readonly restAudio: number
}

const added = (whole: Tokens, part: number): Tokens => (whole === null || part === 0 ? whole : sumOf(whole, part))

/**
 * The total decides where a part lies (wire.md §3): inside of prompt and completion, or beside them; for every provider alike. Where
 * it is missing or fits nothing, what is known of the provider decides; a total that fits nothing is noted as `total_mismatch`.
 */
export const placed = (told: Told, beside: Beside, notes: Notes): Placed => {
  const { prompt, completion, total, reasoning, audio, cached } = told
  const inside: Placed = { input: prompt, output: completion, restReasoning: 0, restAudio: 0 }
  if (prompt === null && completion === null) return inside
  const known = { ...inside, input: added(added(prompt, beside.audio ? audio : 0), beside.cached ? cached : 0) }
  const byRule: Placed = { ...known, output: added(completion, beside.reasoning || beside.reasoningApart ? reasoning : 0) }
  if (total === null) return byRule
  const rest = total - (prompt ?? 0) - (completion ?? 0)
  if (rest === 0) {
    const fits = !beside.reasoningApart && (!beside.reasoning || reasoning <= (completion ?? 0))
    return fits ? inside : { ...inside, output: added(completion, reasoning) }
  }
  if (rest > 0) {
    if (rest === reasoning) return { ...inside, output: added(completion, reasoning) }
    if (rest === audio) return { ...inside, input: added(prompt, audio) }
    if (rest === reasoning + audio) return { ...inside, input: added(prompt, audio), output: added(completion, reasoning) }
    if (rest === cached) return { ...inside, input: added(prompt, cached) }
    if (rest === cached + reasoning) return { ...inside, input: added(prompt, cached), output: added(completion, reasoning) }
    if (beside.rest === 'reasoning' && reasoning === 0 && completion !== null)
      return { ...inside, output: added(completion, rest), restReasoning: rest }
    if (beside.rest === 'audio' && audio === 0 && prompt !== null)
      return { ...inside, input: added(prompt, rest), restAudio: rest }
  }
  notes.add('total_mismatch')
  return byRule
}
