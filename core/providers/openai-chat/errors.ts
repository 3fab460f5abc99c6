import type { ErrorKind } from '../../exchange.js'
import { kindOfStatus } from '../error-status.js'
import { isObject, objectAt, textAt } from '../json-text.js'
import type { Told } from '../told-error.js'

const kinds: Readonly<Record<string, ErrorKind>> = {
  insufficient_quota: 'quota',
  billing_hard_limit_reached: 'quota',
  billing_not_active: 'quota',
  context_length_exceeded: 'context_length',
  string_above_max_length: 'context_length',
  content_filter: 'content_policy',
  content_policy_violation: 'content_policy',
  moderation_blocked: 'content_policy',
  model_not_found: 'not_found',
  DeploymentNotFound: 'not_found',
  rate_limit_exceeded: 'rate_limit',
  rate_limit_error: 'rate_limit',
  server_error: 'server',
  internal_server_error: 'server',
  service_tier_capacity_exceeded: 'overloaded',
  invalid_api_key: 'auth',
  authentication_error: 'auth',
}

/** Types that say no more than a status of 5xx does, and less than 503: there the status tells. */
const vague = new Set(['server_error', 'internal_server_error'])

const wordOf = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '')

/**
 * Reads an error in OpenAI's form: `{error: {code, type, message}}`, `{error: "text"}`, Mistral's `{object: "error", code, message}`,
 * Groq's `status_code`. Returns `null` for a value that tells of no error.
 */
export const toldByOpenAi = (value: unknown): Told | null => {
  if (!isObject(value)) return null
  const inner = value.error
  if (typeof inner === 'string' && inner !== '') return { kind: '', code: '', message: inner }
  const error = objectAt(value, 'error') ?? (value.object === 'error' || value.type === 'error' ? value : null)
  if (error === null) return null
  const code = wordOf(error.code)
  const type = wordOf(error.type)
  const numeric = Number(code === '' ? (error.status_code ?? 0) : code)
  const kind =
    kinds[code] ??
    (vague.has(type) ? undefined : kinds[type]) ??
    (Number.isInteger(numeric) && numeric >= 400 && numeric <= 599 ? kindOfStatus(numeric) : '')
  return { kind, code: code === '' ? type : code, message: textAt(error, 'message') ?? textAt(value, 'message') ?? '' }
}
