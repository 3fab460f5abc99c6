import type { ErrorKind } from '../../exchange.js'
import { kindOfStatus } from '../error-status.js'
import { isObject, listAt, objectAt, parsed, textAt, type JsonObject } from '../json-text.js'
import type { Told } from '../told-error.js'

/** What `code` or `type` say, at whoever speaks OpenAI's form. */
const kinds: ReadonlyMap<string, ErrorKind> = new Map<string, ErrorKind>([
  ['insufficient_quota', 'quota'],
  ['billing_hard_limit_reached', 'quota'],
  ['billing_not_active', 'quota'],
  ['exceeded_current_quota_error', 'quota'], // Moonshot
  ['insufficient_balance', 'quota'],
  ['1113', 'quota'], // z.ai: the account is in arrears
  ['context_length_exceeded', 'context_length'],
  ['string_above_max_length', 'context_length'],
  ['exceed_context_size_error', 'context_length'], // llama.cpp
  ['1261', 'context_length'], // z.ai
  ['content_filter', 'content_policy'],
  ['content_policy_violation', 'content_policy'],
  ['moderation_blocked', 'content_policy'],
  ['ResponsibleAIPolicyViolation', 'content_policy'],
  ['1301', 'content_policy'], // z.ai
  ['model_not_found', 'not_found'],
  ['model_decommissioned', 'not_found'], // Groq
  ['DeploymentNotFound', 'not_found'],
  ['not_found_error', 'not_found'],
  ['resource_not_found_error', 'not_found'],
  ['invalid_model', 'not_found'], // Mistral
  ['1211', 'not_found'], // z.ai
  ['rate_limit_exceeded', 'rate_limit'],
  ['rate_limit_error', 'rate_limit'],
  ['rate_limited', 'rate_limit'], // Mistral
  ['rate_limit_reached_error', 'rate_limit'], // Moonshot
  ['1302', 'rate_limit'], // z.ai: too many at once, too often, too many today
  ['1303', 'rate_limit'],
  ['1304', 'rate_limit'],
  ['server_error', 'server'],
  ['internal_server_error', 'server'],
  ['service_tier_capacity_exceeded', 'overloaded'],
  ['engine_overloaded_error', 'overloaded'],
  ['overloaded_error', 'overloaded'],
  ['overloaded', 'overloaded'], // TGI's error_type
  ['1305', 'overloaded'], // z.ai
  ['invalid_api_key', 'auth'],
  ['authentication_error', 'auth'],
  ['invalid_authentication_error', 'auth'],
  ['permission_error', 'auth'],
  ['tool_use_failed', 'bad_request'], // Groq, in a 200: what the model wrote is no call of a tool
  ['json_validate_failed', 'bad_request'],
  ['validation', 'bad_request'], // TGI's error_type
])

/** Types that say no more than a status of 5xx does, and less than 503: there the status tells. */
const vague = new Set(['server_error', 'internal_server_error'])

/** Hosts without a code of their own for it say that the prompt is too long in words alone. */
const tooLong = /maximum (?:context|prompt) length|context (?:length|window|size)|prompt is too long|tokens? \+ `?max_new_tokens/i

const wordOf = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, 128) : typeof value === 'number' ? String(value) : ''

const isErrorStatus = (status: number): boolean => Number.isInteger(status) && status >= 400 && status <= 599

/** What the provider behind a gateway said: a text, often the JSON of its own error (OpenRouter's `error.metadata`). */
const behindGateway = (error: JsonObject): Told | null => {
  const metadata = objectAt(error, 'metadata')
  const raw = metadata?.raw
  if (typeof raw === 'string' && raw !== '') {
    const inner = toldByOpenAi(raw.startsWith('{') ? parsed(Buffer.from(raw).toString('latin1')) : null)
    return { kind: inner?.kind ?? '', code: '', message: inner !== null && inner.message !== '' ? inner.message : raw }
  }
  if (isObject(raw)) return toldByOpenAi(raw)
  // A prompt its moderation stopped: a 403 that is no matter of keys.
  return listAt(metadata, 'reasons').length > 0 ? { kind: 'content_policy', code: '', message: '' } : null
}

/** Where words say "bad request", the text may say of what kind. */
const refined = (kind: ErrorKind, words: string, message: string): ErrorKind =>
  (kind === 'bad_request' || (kind === '' && /invalid|bad.?request|validation/i.test(words))) && tooLong.test(message)
    ? 'context_length'
    : kind

const kindFrom = (error: JsonObject, outer: JsonObject, message: string): ErrorKind => {
  const code = wordOf(error.code)
  const type = wordOf(error.type)
  const byCode = kinds.get(code)
  const byType = vague.has(type) ? undefined : kinds.get(type)
  // Numbers of their own mean something else at each provider: there the type's word goes first.
  const said =
    (/^\d+$/.test(code) ? (byType ?? byCode) : (byCode ?? byType)) ??
    kinds.get(textAt(objectAt(error, 'innererror'), 'code') ?? '')
  if (said !== undefined) return said
  const told = [code, error.status_code, error.status, outer.status_code].map(Number).find(isErrorStatus)
  return refined(told === undefined ? '' : kindOfStatus(told), `${type} ${code}`, message)
}

/**
 * Reads an error in OpenAI's form: `{error: {code, type, message}}`, `{error: "text"}`, Mistral's `{object: "error", code, message}`,
 * Groq's `status_code`, what a gateway relays in `metadata`. Returns `null` for a value that tells of no error.
 */
export const toldByOpenAi = (value: unknown): Told | null => {
  if (!isObject(value)) return null
  const inner = value.error
  if (typeof inner === 'string' && inner !== '') {
    const code = wordOf(value.code) || wordOf(value.error_type)
    return { kind: refined(kinds.get(code) ?? '', `${code} ${inner}`, inner), code, message: inner }
  }
  const error = objectAt(value, 'error') ?? (value.object === 'error' || value.type === 'error' ? value : null)
  if (error === null) return null
  const code = wordOf(error.code)
  const type = wordOf(error.type)
  const told = textAt(error, 'message') ?? textAt(value, 'message') ?? textAt(objectAt(error, 'message'), 'detail') ?? ''
  const kind = kindFrom(error, value, told)
  const behind = behindGateway(error)
  return {
    // A number of the gateway's says less than the words of who refused.
    kind: behind !== null && behind.kind !== '' && !kinds.has(code) ? behind.kind : kind,
    code: code === '' ? type : code,
    message: behind === null || behind.message === '' ? told : told === '' ? behind.message : `${told}: ${behind.message}`,
  }
}
