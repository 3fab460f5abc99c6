import { isObject } from '../../core/providers/json-text.js'

/** A model that a provider tells of. */
export interface ToldModel {
  readonly id: string
  /** Unix seconds; 0 = not told. */
  readonly created: number
}

const mostModels = 5000
const longestId = 256

const createdOf = ({ created, created_at: at }: Record<string, unknown>): number => {
  if (typeof created === 'number' && Number.isFinite(created)) return Math.trunc(created)
  const ms = typeof at === 'string' ? Date.parse(at) : Number.NaN
  return Number.isNaN(ms) ? 0 : Math.trunc(ms / 1000)
}

/**
 * Models in a provider's own list of them: `data` of OpenAI's and Anthropic's form, `models` of Gemini's and Cohere's, or a bare array.
 *
 * @returns `null` when it is none of these. At most 5,000.
 */
export const toldModels = (json: unknown): readonly ToldModel[] | null => {
  const list = Array.isArray(json) ? json : isObject(json) ? (json.data ?? json.models) : null
  if (!Array.isArray(list)) return null
  const told: ToldModel[] = []
  for (const each of list.slice(0, mostModels)) {
    if (!isObject(each)) continue
    const name = each.id ?? each.name
    const id = typeof name === 'string' ? name.replace(/^models\//, '') : ''
    if (id !== '' && id.length <= longestId) told.push({ id, created: createdOf(each) })
  }
  return told
}
