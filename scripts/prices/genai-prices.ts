import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Unit } from '../../core/prices/cost.js'
import { withWheel } from './download.js'
import type { Rates, Step, TheirModel, TheirPrices } from './their-prices.js'

const file = 'genai_prices/data.py'

/** Reads the data without running it: calls become objects, `Decimal('1')` its text, dates and times lists of numbers. */
const toJson = `
import ast, json, sys
def value(node):
    if isinstance(node, ast.Constant): return node.value
    if isinstance(node, (ast.List, ast.Tuple)): return [value(item) for item in node.elts]
    if isinstance(node, ast.Dict): return {value(k): value(v) for k, v in zip(node.keys, node.values)}
    if not isinstance(node, ast.Call): return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    if name == 'Decimal': return str(value(node.args[0]))
    if name in ('date', 'time'): return [value(item) for item in node.args]
    return {'kind': name, **{word.arg: value(word.value) for word in node.keywords}}
for line in ast.parse(open(sys.argv[1]).read()).body:
    if isinstance(line, ast.AnnAssign) and line.target.id == 'providers': json.dump(value(line.value), sys.stdout)
`

interface Tiered {
  readonly base: string
  readonly tiers: readonly { readonly start: number; readonly price: string }[]
}
type Prices = Readonly<Record<string, string | Tiered>>
interface Constraint {
  readonly kind: string
  readonly start_date?: readonly number[]
  readonly start_time?: readonly number[]
  readonly end_time?: readonly number[]
}
interface Dated {
  readonly constraint?: Constraint | null
  readonly prices: Prices
}
interface Model {
  readonly id: string
  readonly prices: Prices | readonly Dated[]
  readonly price_variants?: readonly (Dated & { readonly when: Readonly<Record<string, string>> })[]
}
interface Data {
  readonly id: string
  readonly models: readonly Model[]
}

const providers: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'gemini',
  aws: 'bedrock',
  azure: 'azure',
  mistral: 'mistral',
  groq: 'groq',
  deepseek: 'deepseek',
  openrouter: 'openrouter',
  'x-ai': 'xai',
  cohere: 'cohere',
  perplexity: 'perplexity',
  together: 'together',
  fireworks: 'fireworks',
  cerebras: 'cerebras',
  zai: 'zai',
  novita: 'novita',
  moonshotai: 'moonshot',
  voyageai: 'voyage',
}

const units: Readonly<Record<string, readonly [Unit, number]>> = {
  input_mtok: ['input', 1_000_000],
  output_mtok: ['output', 1_000_000],
  cache_read_mtok: ['cache_read', 1_000_000],
  cache_write_mtok: ['cache_write', 1_000_000],
  input_audio_mtok: ['input_audio', 1_000_000],
  output_audio_mtok: ['output_audio', 1_000_000],
  audio_hours: ['audio_second', 3600],
  input_mchars: ['character', 1_000_000],
  input_document_kpages: ['page', 1000],
}

const ratesOf = (prices: Prices): Rates => {
  const rates: Partial<Record<Unit, Step[]>> = {}
  for (const [key, price] of Object.entries(prices)) {
    const known = units[key]
    if (known === undefined) continue
    const [unit, per] = known
    rates[unit] =
      typeof price === 'string'
        ? [{ from: 0, usd: price, per }]
        : [{ from: 0, usd: price.base, per }, ...price.tiers.map(({ start, price: usd }) => ({ from: start + 1, usd, per }))]
  }
  return rates
}

const holds = (constraint: Constraint | null | undefined, at: Date): boolean => {
  if (constraint === null || constraint === undefined) return true
  const { start_date, start_time, end_time } = constraint
  if (start_date !== undefined) {
    const [year = 0, month = 1, day = 1] = start_date
    return at.getTime() >= Date.UTC(year, month - 1, day)
  }
  const minute = ([hours = 0, minutes = 0]: readonly number[] = []): number => hours * 60 + minutes
  const [now, from, until] = [at.getUTCHours() * 60 + at.getUTCMinutes(), minute(start_time), minute(end_time)]
  return until < from ? now >= from || now < until : now >= from && now < until
}

const areDated = (prices: Model['prices']): prices is readonly Dated[] => Array.isArray(prices)

const modelOf = (providerId: string, model: Model, at: Date): TheirModel | null => {
  const named = providers[providerId]
  if (named === undefined) return null
  const provider = providerId === 'google' && model.id.startsWith('claude') ? 'vertex' : named
  const now = areDated(model.prices) ? model.prices.findLast(({ constraint }) => holds(constraint, at))?.prices : model.prices
  if (now === undefined) return null
  const rates = ratesOf(now)
  if (Object.keys(rates).length === 0) return null
  const batch = (model.price_variants ?? []).findLast(
    ({ when, constraint }) => when.processing === 'batch' && Object.keys(when).length === 1 && holds(constraint, at),
  )
  return {
    key: `${providerId}:${model.id}`,
    provider,
    // A region without a name stands for each that is not the global one.
    model: model.id.toLowerCase().replace(/^regional\.(?=anthropic|amazon\.nova-2)/, 'us.'),
    serverAddress: null,
    rates,
    batch: batch === undefined ? null : ratesOf(batch.prices),
  }
}

/** The models of genai-prices that are served by a provider of ours, with the prices of `at`. */
export const genaiModels = (data: readonly Data[], at: Date): readonly TheirModel[] =>
  data.flatMap(({ id, models }) => models.flatMap((model) => modelOf(id, model, at) ?? []))

/** The data of our base's own makers (MIT), in their newest Python package, which is ahead of the one our base comes from. */
export const genaiPrices = (at: Date): TheirPrices =>
  withWheel('genai-prices', [file], ({ folder, version }) => {
    const json = execFileSync('python3', ['-c', toJson, join(folder, file)], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    return { name: 'genai-prices', version, models: genaiModels(JSON.parse(json) as readonly Data[], at) }
  })
