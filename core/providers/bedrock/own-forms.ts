import { listAt, objectAt, textAt, type JsonObject } from '../json-text.js'

const found = (values: readonly (string | null)[]): readonly string[] => values.filter((value) => value !== null)

/** Texts of an answer, or of one piece of it, in the forms that only InvokeModel has. */
export const ownTexts = (value: JsonObject): readonly string[] =>
  found([
    textAt(value, 'outputText'), // Titan
    textAt(value, 'generation'), // Llama
    textAt(value, 'completion'), // Claude before Messages
    textAt(value, 'text'), // Cohere
    ...listAt(value, 'results').map((result) => textAt(result, 'outputText')),
    ...listAt(value, 'outputs').map((output) => textAt(output, 'text')), // Mistral
    ...listAt(value, 'generations').map((generation) => textAt(generation, 'text')),
    ...listAt(value, 'completions').map((completion) => textAt(objectAt(completion, 'data'), 'text')), // Jurassic
    ...listAt(value, 'choices').map((choice) => textAt(choice, 'text')), // DeepSeek R1
  ])

/** Why it ended, in the same forms. */
export const ownReasons = (value: JsonObject): readonly string[] =>
  found([
    textAt(value, 'completionReason'),
    textAt(value, 'stop_reason'),
    textAt(value, 'finish_reason'),
    ...listAt(value, 'results').map((result) => textAt(result, 'completionReason')),
    ...listAt(value, 'outputs').map((output) => textAt(output, 'stop_reason')),
    ...listAt(value, 'generations').map((generation) => textAt(generation, 'finish_reason')),
    ...listAt(value, 'completions').map((completion) => textAt(objectAt(completion, 'finishReason'), 'reason')),
    ...listAt(value, 'choices').map((choice) => textAt(choice, 'stop_reason') ?? textAt(choice, 'finish_reason')),
  ])
