import type { Usage } from '../usage.js'
import type { Unit } from './cost.js'
import type { Priced } from './sheet.js'

interface Fee {
  readonly unit: Unit
  readonly quantity: number
  readonly variant: string | null
}

/** What a call costs beside its tokens, or in their stead. */
export interface Fees {
  readonly quantities: readonly Fee[]
  /** It is billed by characters, pages, pictures or requests: tokens that were counted or not told change nothing. */
  readonly insteadOfTokens: boolean
  /** Its sound is billed by the second. */
  readonly coversAudio: boolean
  /** Things that were used and have no unit. */
  readonly partial: readonly string[]
  readonly estimated: readonly string[]
}

interface Asked {
  readonly provider: string
  readonly api: string
  readonly asked: Readonly<Record<string, string | number>>
}

const none: readonly string[] = []

/** A tool's calls, by their names in `extra`. Tools the client runs itself, and fetches of pages, cost nothing of their own. */
const toolUnits: readonly (readonly [string, Unit])[] = [
  ['file_search_calls', 'file_search'],
  ['x_search_calls', 'x_search'],
  ['image_generation_calls', 'image'],
]

const wordOf = (value: string | number | undefined, otherwise: string): string =>
  value === undefined || value === '' || value === 'auto' ? otherwise : String(value).toLowerCase()

/** As `variant` of the overlay has it: `1024x1024/hd`, `1024x1024/standard`. */
const pictureOf = (asked: Asked['asked']): string => `${wordOf(asked.size, '1024x1024')}/${wordOf(asked.quality, 'standard')}`

/** Groq bills no less for a transcript. */
const leastSeconds: Readonly<Record<string, number>> = { groq: 10 }

const byThePrompt = /^gemini-[12]\b/i

const isGemini = ({ provider }: Asked, { modelId }: Priced): boolean =>
  (provider === 'gemini' || provider === 'vertex') && modelId.toLowerCase().startsWith('gemini')

/**
 * What a call is charged beside its tokens.
 *
 * @param priced The model's prices: some have a fee for the request itself, which no usage tells.
 */
export const feeQuantities = (usage: Usage, call: Asked, priced: Priced): Fees | null => {
  const { extra } = usage
  const { provider, api, asked } = call
  const told = Object.keys(extra).length > 0
  const request = priced.own('request', null)
  if (!told && request === null && asked.characters === undefined) return null
  const quantities: Fee[] = []
  const partial: string[] = []
  const estimated: string[] = []
  let insteadOfTokens = false
  let coversAudio = false
  const add = (unit: Unit, quantity: number, variant: string | null = null): void => {
    if (quantity > 0) quantities.push({ unit, quantity, variant })
  }

  const searches = extra.web_search_requests ?? 0
  const grounded = searches > 0 && isGemini(call, priced)
  // Google bills older models by the prompt that was grounded, newer ones by the search; a daily share of both is free, unseen here.
  add('web_search', grounded && byThePrompt.test(priced.modelId) ? 1 : searches)
  if (grounded) estimated.push('free_daily_share')
  for (const [name, unit] of toolUnits) add(unit, extra[name] ?? 0)
  // Calls may share a container; those of xAI have a price each.
  add('container', extra.containers ?? extra.code_interpreter_calls ?? 0)
  // Searches within an answer are charged where the list says so (Perplexity's deep research).
  if (extra.search_queries !== undefined && priced.own('web_search') !== null) add('web_search', extra.search_queries)
  if ((extra.google_maps_requests ?? 0) > 0) partial.push('no_price_google_maps')
  if ((extra.annotated_pages ?? 0) > 0) partial.push('no_price_annotated_page')

  const tokens = (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0) > 0
  const seconds = extra.audio_seconds ?? 0
  if (seconds > 0) {
    const tokensOfSound = (usage.inputAudioTokens ?? 0) > 0 && priced.own('input_audio') !== null
    if (priced.own('audio_second') !== null ? !tokensOfSound : !tokens) {
      add('audio_second', Math.max(seconds, leastSeconds[provider] ?? 0))
      coversAudio = true
    }
  }
  const pages = extra.pages ?? 0
  if (pages > 0) {
    add('page', pages)
    insteadOfTokens = !tokens
  }
  const images = extra.images ?? extra.billed_images ?? 0
  const picture = pictureOf(asked)
  if (images > 0 && (priced.own('image', picture) !== null ? !((usage.outputTokens ?? 0) > 0) : !tokens)) {
    add('image', images, picture)
    insteadOfTokens = !tokens
  }
  const characters = extra.characters ?? (api === 'speech' ? Number(asked.characters ?? 0) : 0)
  // Speech is billed by what was said, which the request tells exactly; models that count tokens have no price for it.
  if (characters > 0 && priced.own('character') !== null) {
    add('character', characters)
    insteadOfTokens = true
  }
  const searched = extra.search_units ?? extra.requests
  if (request !== null || searched !== undefined) {
    add('request', searched ?? 1, typeof asked.search_context_size === 'string' ? asked.search_context_size.toLowerCase() : null)
    if (searched !== undefined && !tokens) insteadOfTokens = true
  }
  return { quantities, insteadOfTokens, coversAudio, partial: partial.length === 0 ? none : partial, estimated }
}
