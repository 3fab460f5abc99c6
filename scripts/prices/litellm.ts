import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Unit } from '../../core/prices/cost.js'
import { withWheel } from './download.js'
import type { Rates, Step, TheirModel, TheirPrices } from './their-prices.js'

const file = 'litellm/model_prices_and_context_window_backup.json'

/** Their provider to ours, and what their key puts before the model. */
const providers: Readonly<Record<string, readonly [string, RegExp]>> = {
  openai: ['openai', /^(?:openai\/)?/],
  'text-completion-openai': ['openai', /^/],
  anthropic: ['anthropic', /^(?:anthropic\/)?/],
  gemini: ['gemini', /^gemini\//],
  'vertex_ai-language-models': ['vertex', /^(?:vertex_ai\/)?/],
  'vertex_ai-embedding-models': ['vertex', /^(?:vertex_ai\/)?/],
  'vertex_ai-anthropic_models': ['vertex', /^(?:vertex_ai\/)?/],
  bedrock: ['bedrock', /^(?:bedrock\/)?/],
  bedrock_converse: ['bedrock', /^(?:bedrock\/)?/],
  bedrock_mantle: ['bedrock', /^(?:bedrock_mantle\/)?/],
  azure: ['azure', /^azure\/(?:global\/)?/],
  azure_ai: ['azure-ai', /^azure_ai\/(?:global\/)?/],
  mistral: ['mistral', /^mistral\//],
  groq: ['groq', /^groq\//],
  deepseek: ['deepseek', /^(?:deepseek\/)?/],
  openrouter: ['openrouter', /^openrouter\//],
  xai: ['xai', /^xai\//],
  cohere: ['cohere', /^(?:cohere\/)?/],
  cohere_chat: ['cohere', /^(?:cohere_chat\/)?/],
  perplexity: ['perplexity', /^perplexity\//],
  together_ai: ['together', /^together_ai\//],
  fireworks_ai: ['fireworks', /^fireworks_ai\//],
  cerebras: ['cerebras', /^cerebras\//],
  zai: ['zai', /^zai\//],
  deepinfra: ['deepinfra', /^deepinfra\//],
  novita: ['novita', /^novita\//],
  moonshot: ['moonshot', /^moonshot\//],
  voyage: ['voyage', /^(?:voyage\/)?/],
}

/** Their field, without what stands for a tier or a size of input. */
const fields: Readonly<Record<string, Unit>> = {
  input_cost_per_token: 'input',
  output_cost_per_token: 'output',
  cache_read_input_token_cost: 'cache_read',
  cache_creation_input_token_cost: 'cache_write',
  input_cost_per_audio_token: 'input_audio',
  output_cost_per_audio_token: 'output_audio',
  input_cost_per_second: 'audio_second',
  input_cost_per_character: 'character',
  ocr_cost_per_page: 'page',
}

interface OffPeak {
  readonly windows?: readonly { readonly hours_utc: string | readonly string[]; readonly weekdays?: readonly number[] }[]
}
type Entry = Readonly<Record<string, unknown>> & { readonly off_peak_pricing?: OffPeak }

const minuteOf = (time: string): number => {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return hours * 60 + minutes
}

/** Their hours are pairs of times in UTC, their Monday is 1; an end of 00:00 is midnight. */
const isOffPeak = ({ windows = [] }: OffPeak, at: Date): boolean => {
  const minute = at.getUTCHours() * 60 + at.getUTCMinutes()
  const weekday = at.getUTCDay() === 0 ? 7 : at.getUTCDay()
  return windows.some(
    ({ hours_utc, weekdays }) =>
      (weekdays === undefined || weekdays.includes(weekday)) &&
      [hours_utc].flat().some((span) => {
        const [from = 0, until = 0] = span.split('-').map(minuteOf)
        return minute >= from && (minute < until || until === 0)
      }),
  )
}

const ratesOf = (entry: Entry, tier: '' | '_batches'): Rates => {
  const rates: Partial<Record<Unit, Step[]>> = {}
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'number' || value < 0 || !Number.isFinite(value)) continue
    const [, name = '', above, suffix = ''] = /^(.+?)(?:_above_(\d+)k_tokens)?(_batches)?$/.exec(key) ?? []
    const unit = fields[name]
    if (unit === undefined || suffix !== tier) continue
    const from = above === undefined ? 0 : Number(above) * 1000 + 1
    // The shortest text of the float is the figure that was typed in.
    rates[unit] = [...(rates[unit] ?? []), { from, usd: String(value), per: 1 }]
  }
  // Without a price for short input nothing is said about one: "above 200k" alone is a slip.
  return Object.fromEntries(Object.entries(rates).filter(([, steps]) => steps.some(({ from }) => from === 0)))
}

const modelOf = (key: string, listed: Entry, at: Date): TheirModel | null => {
  const offPeak = listed.off_peak_pricing
  const entry = offPeak !== undefined && isOffPeak(offPeak, at) ? { ...listed, ...offPeak } : listed
  const known = providers[typeof entry.litellm_provider === 'string' ? entry.litellm_provider : '']
  if (known === undefined) return null
  const [provider, prefix] = known
  let model = key.replace(prefix, '')
  let serverAddress: string | null = null
  // Azure's data zones are another deployment of the same model name; Bedrock's commitments and single regions are no model id.
  if (/^azure\/(?:us|eu|us-gov|standard|hd|high|medium|low)\//.test(key) || /commitment|^bedrock\/[a-z*]+-/.test(key)) return null
  if (model.includes('/') && ['openai', 'bedrock', 'azure', 'vertex', 'cohere', 'voyage'].includes(provider)) return null
  // Their word for a host of OpenAI's own.
  const region = /^(eu|us)\/(.+)$/.exec(model)
  if (provider === 'openai' && region !== null) [serverAddress, model] = [`${region[1] ?? ''}.api.openai.com`, region[2] ?? '']
  if (provider === 'vertex') model = model.replace(/@default$/, '')
  const rates = ratesOf(entry, '')
  if (Object.keys(rates).length === 0) return null
  const batch = ratesOf(entry, '_batches')
  return { key, provider, model, serverAddress, rates, batch: Object.keys(batch).length === 0 ? null : batch }
}

/** The models of LiteLLM's map that are served by a provider of ours, with the prices of `at`. */
export const litellmModels = (map: Readonly<Record<string, Entry>>, at: Date): readonly TheirModel[] =>
  Object.entries(map).flatMap(([key, entry]) => modelOf(key, entry, at) ?? [])

/** LiteLLM's price map (MIT), as its newest Python package ships it. */
export const litellm = (at: Date): TheirPrices =>
  withWheel('litellm', [file], ({ folder, version }) => {
    const map = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Readonly<Record<string, Entry>>
    return { name: 'LiteLLM', version, models: litellmModels(map, at) }
  })
