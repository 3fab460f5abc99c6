import type { Raw } from '../../exchange.js'
import { noUsage, type Usage } from '../../usage.js'
import { textAt } from '../json-text.js'
import { count, objectsOf, wireUsage, type Notes } from '../usage-fields.js'

/** Ends of a call that only put a model into memory, or out of it. */
const nothingDone = new Set(['load', 'unload'])

/**
 * Usage of Ollama's own API. It leaves zeros out, and a prompt that was in the cache counts as evaluated 0 times: a count that is missing is
 * not known.
 */
export const ollamaUsage = (api: string, raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const done = objectsOf(raw, notes).get('ollama.done')
  const inputTokens = count(done?.prompt_eval_count, notes)
  const outputTokens = count(done?.eval_count, notes)
  if (inputTokens === null && outputTokens === null && nothingDone.has(textAt(done, 'done_reason') ?? ''))
    return noUsage('not_applicable', [...notes])
  return wireUsage(
    { inputTokens, outputTokens: api === 'embeddings' && inputTokens !== null ? (outputTokens ?? 0) : outputTokens },
    notes,
  )
}
