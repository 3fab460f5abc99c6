import { objectAt, parsed } from '../../../core/providers/json-text.js'
import { topLevelScanner } from '../../../core/providers/framing/top-level.js'

/** Where requests say how much may be answered: OpenAI, Anthropic, Cohere, Mistral; then Gemini, Bedrock, Ollama. */
const plain = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'max_tokens_to_sample', 'max_gen_len']
const nested: readonly (readonly [string, string])[] = [
  ['generationConfig', 'maxOutputTokens'],
  ['generation_config', 'max_output_tokens'],
  ['inferenceConfig', 'maxTokens'],
  ['textGenerationConfig', 'maxTokenCount'],
  ['options', 'num_predict'],
]
const wanted = [...plain, ...nested.map(([outer]) => outer)]
const countIn = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 1 ? Math.floor(value) : null

/**
 * The most tokens a request lets be answered.
 *
 * @param body Its JSON, without content coding; the head of a longer one will do.
 * @returns The largest that is said; `null` when none is.
 */
export const outputLimit = (body: Buffer): number | null => {
  // Every one of these names holds one of the two.
  if (!body.includes('max') && !body.includes('num_predict')) return null
  const scanner = topLevelScanner(wanted)
  scanner.push(body)
  const values = scanner.values()
  const told = (name: string): unknown => parsed(values.get(name) ?? '')
  const found = [...plain.map(told), ...nested.map(([outer, inner]) => objectAt({ [outer]: told(outer) }, outer)?.[inner])]
    .map(countIn)
    .filter((count) => count !== null)
  return found.length === 0 ? null : Math.max(...found)
}
