import type { ErrorKind } from '../../exchange.js'
import { textAt } from '../json-text.js'
import { toldByOpenAi } from '../openai-chat/errors.js'
import type { Told } from '../told-error.js'

const sentences: readonly (readonly [RegExp, ErrorKind])[] = [
  [/context (?:length|window|size)|prompt is too long|exceeds? (?:the )?maximum (?:context|input)/i, 'context_length'],
  [/model .{0,200}not found|try pulling it first|no such model/is, 'not_found'],
  [/server busy|maximum pending requests|overloaded/i, 'overloaded'],
  // Ollama's own cloud.
  [/usage limit|upgrade (?:to|your)|out of credits/i, 'quota'],
  [/too many requests|rate limit/i, 'rate_limit'],
  [/unauthori[sz]ed|invalid (?:api )?(?:key|token)/i, 'auth'],
  [/does not support|is required|invalid (?:options|format|request|message)|missing request body/i, 'bad_request'],
  [/system memory|out of memory|cuda error|llama runner|model runner|loading model/i, 'server'],
]

/** Reads an error of Ollama: `{error: "text"}`, as a body or as a line of a stream; objects as OpenAI's form has them. */
export const toldByOllama = (value: unknown): Told | null => {
  const message = textAt(value, 'error')
  if (message === null) return toldByOpenAi(value)
  return { kind: sentences.find(([pattern]) => pattern.test(message))?.[1] ?? '', code: textAt(value, 'code') ?? '', message }
}
