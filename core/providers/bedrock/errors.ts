import type { ErrorKind } from '../../exchange.js'
import { isObject, objectAt, textAt } from '../json-text.js'
import type { Told } from '../told-error.js'

/** By the name of an exception, without `Exception` or `Error` at its end, in lower case. */
const kinds: ReadonlyMap<string, ErrorKind> = new Map<string, ErrorKind>([
  ['throttling', 'rate_limit'],
  ['throttled', 'rate_limit'],
  ['toomanyrequests', 'rate_limit'],
  ['requestlimitexceeded', 'rate_limit'],
  ['servicequotaexceeded', 'quota'],
  ['limitexceeded', 'quota'],
  ['modelnotready', 'overloaded'],
  ['serviceunavailable', 'overloaded'],
  ['modeltimeout', 'server'],
  ['model', 'server'], // ModelErrorException
  ['modelstream', 'server'],
  ['internalserver', 'server'],
  ['internalfailure', 'server'],
  ['internal', 'server'],
  ['accessdenied', 'auth'],
  ['unrecognizedclient', 'auth'],
  ['expiredtoken', 'auth'],
  ['invalidsignature', 'auth'],
  ['incompletesignature', 'auth'],
  ['signaturedoesnotmatch', 'auth'],
  ['invalidclienttokenid', 'auth'],
  ['missingauthenticationtoken', 'auth'],
  ['requestexpired', 'auth'],
  ['optinrequired', 'auth'],
  ['notauthorized', 'auth'],
  ['unauthorized', 'auth'],
  ['resourcenotfound', 'not_found'],
  ['unknownoperation', 'not_found'],
  ['conflict', 'conflict'],
  ['validation', 'bad_request'],
  ['serialization', 'bad_request'],
])

const tooLong =
  /input tokens exceeded|too long|maximum (?:context|input|prompt) length|context (?:length|window)|too many input tokens/i
const noSuchModel =
  /model identifier is invalid|on-demand throughput isn.t supported|reached the end of its life|model.{0,40}not (?:found|supported in)/i
const refused = /content filter(?:ing|s)?\b|blocked by (?:our )?(?:content|guardrail)/i

/** `com.amazon.coral.service#ThrottlingException`, `ValidationException:http://...`: the name alone. */
const nameOf = (type: string): string => (type.split('#').at(-1) ?? '').split(':')[0]?.trim() ?? ''

const kindOf = (name: string, message: string): ErrorKind => {
  // One word end after the other: ModelErrorException, ModelStreamErrorException.
  const kind =
    kinds.get(
      name
        .toLowerCase()
        .replace(/exception$/, '')
        .replace(/error$/, ''),
    ) ?? ''
  if (kind !== '' && kind !== 'bad_request') return kind
  if (tooLong.test(message)) return 'context_length'
  if (noSuchModel.test(message)) return 'not_found'
  if (refused.test(message)) return 'content_policy'
  return kind
}

/**
 * Reads an error of Bedrock: `{message}`, `{Message}`, `{__type, message}`, `{Output: {__type}}`. Only for what is known to be an error:
 * anything may have a message.
 */
export const toldByBedrock = (value: unknown): Told | null => {
  const body = objectAt(value, 'Output') ?? value
  const message = textAt(body, 'message') ?? textAt(body, 'Message') ?? textAt(body, 'originalMessage') ?? ''
  const code = nameOf(textAt(body, '__type') ?? textAt(body, 'code') ?? '')
  if (message === '' && code === '') return null
  return { kind: kindOf(code, message), code, message }
}

/** A body together with the type that stands beside it: in the header `x-amzn-errortype`, or as the name of an exception frame. */
export const typedError = (type: string | null | undefined, value: unknown): unknown => {
  if (type === null || type === undefined || type === '') return value
  return isObject(value) ? { __type: type, ...value } : { __type: type }
}
