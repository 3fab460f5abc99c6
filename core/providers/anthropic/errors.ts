import type { ErrorKind } from '../../exchange.js'
import { objectAt, textAt } from '../json-text.js'
import type { Told } from '../told-error.js'

const kinds: Readonly<Record<string, ErrorKind>> = {
  overloaded_error: 'overloaded',
  rate_limit_error: 'rate_limit',
  authentication_error: 'auth',
  permission_error: 'auth',
  billing_error: 'quota',
  not_found_error: 'not_found',
  request_too_large: 'too_large',
  api_error: 'server',
  timeout_error: 'server',
  conflict_error: 'conflict',
  invalid_request_error: 'bad_request',
}

/** Reads Anthropic's `{type: "error", error: {type, message}}`, from a body or an `error` event. */
export const toldByAnthropic = (value: unknown): Told | null => {
  const error = objectAt(value, 'error')
  if (error === null) return null
  const code = textAt(error, 'type') ?? ''
  const message = textAt(error, 'message') ?? ''
  if (code === 'invalid_request_error') {
    // These come as a 400 of the most general type; only the text tells them apart.
    if (/prompt is too long|exceeds? (?:the )?context (?:limit|window)/i.test(message))
      return { kind: 'context_length', code, message }
    if (/credit balance|usage limits?\b/i.test(message)) return { kind: 'quota', code, message }
  }
  return { kind: kinds[code] ?? '', code, message }
}
