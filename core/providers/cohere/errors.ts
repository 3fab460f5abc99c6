import type { ErrorKind } from '../../exchange.js'
import { isObject, textAt } from '../json-text.js'
import { toldByOpenAi } from '../openai-chat/errors.js'
import type { Told } from '../told-error.js'

/** Cohere's errors have no codes, only sentences; the first that fits decides. */
const sentences: readonly (readonly [RegExp, ErrorKind])[] = [
  [/too many tokens|context (?:length|window|limit)|maximum (?:input|prompt|context)|prompt is too long/i, 'context_length'],
  // A trial key has so many calls a minute, and so many a month.
  [/calls? ?(?:\/|per|a) ?month|billing|payment|spend(?:ing)? limit|out of credits/i, 'quota'],
  [/trial key|rate limit|too many requests|calls? ?(?:\/|per|a) ?minute/i, 'rate_limit'],
  [/\bblocked\b|toxic|harmful|safety/i, 'content_policy'],
  [/(?:invalid|no|missing|expired|incorrect) (?:api )?(?:token|key)|unauthori[sz]ed/i, 'auth'],
  [/model .{0,120}(?:not found|was removed|does not exist|deprecated)/is, 'not_found'],
  [/overloaded|temporarily unavailable/i, 'overloaded'],
]

const kindOf = (message: string): ErrorKind => sentences.find(([pattern]) => pattern.test(message))?.[1] ?? ''

/** Ends of a generation that are errors, in both versions of the API. */
const failedEnds: ReadonlyMap<string, ErrorKind> = new Map<string, ErrorKind>([
  ['ERROR', ''],
  ['ERROR_TOXIC', 'content_policy'],
  ['ERROR_LIMIT', 'context_length'],
  ['TIMEOUT', 'server'],
])

/**
 * Reads an error of Cohere: `{message}` with or without `id` and `data`, or the end of a generation that failed: `{finish_reason, error}`.
 * Only for what is known to be an error, or may be told apart from an answer by these: an answer's `message` is no text.
 */
export const toldByCohere = (value: unknown): Told | null => {
  const reason = textAt(value, 'finish_reason') ?? ''
  const failed = failedEnds.get(reason)
  if (failed !== undefined) {
    const message = textAt(value, 'error') ?? ''
    return { kind: failed === '' ? kindOf(message) : failed, code: reason, message }
  }
  const message = textAt(value, 'message')
  if (message === null || (isObject(value) && isObject(value.error))) return toldByOpenAi(value)
  return { kind: kindOf(message), code: textAt(value, 'code') ?? '', message }
}
