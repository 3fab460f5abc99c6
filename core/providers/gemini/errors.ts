import type { ErrorKind } from '../../exchange.js'
import { kindOfStatus } from '../error-status.js'
import { isObject, listAt, objectAt, textAt } from '../json-text.js'
import type { Told } from '../told-error.js'

const kinds: Readonly<Record<string, ErrorKind>> = {
  RESOURCE_EXHAUSTED: 'rate_limit',
  UNAVAILABLE: 'overloaded',
  DEADLINE_EXCEEDED: 'server',
  INTERNAL: 'server',
  PERMISSION_DENIED: 'auth',
  UNAUTHENTICATED: 'auth',
  API_KEY_INVALID: 'auth',
  NOT_FOUND: 'not_found',
}

const perDay = (details: readonly unknown[]): boolean =>
  details.some((detail) => listAt(detail, 'violations').some((violation) => /per_?day/i.test(textAt(violation, 'quotaId') ?? '')))

/** Reads Google's `{error: {code, status, message, details}}`, alone or as an element of an array. */
export const toldByGoogle = (value: unknown): Told | null => {
  const error = objectAt(Array.isArray(value) ? value[0] : value, 'error')
  if (error === null) return null
  const status = textAt(error, 'status') ?? ''
  const message = textAt(error, 'message') ?? ''
  const details = listAt(error, 'details')
  const reason = details.map((detail) => textAt(detail, 'reason')).find((found) => found !== null) ?? null
  const code = reason ?? status
  if (reason === 'API_KEY_INVALID') return { kind: 'auth', code, message }
  if (status === 'RESOURCE_EXHAUSTED' && perDay(details)) return { kind: 'quota', code, message }
  if (/input token count/i.test(message)) return { kind: 'context_length', code, message }
  const numeric = isObject(error) && typeof error.code === 'number' ? kindOfStatus(error.code) : ''
  return { kind: kinds[status] ?? numeric, code, message }
}
