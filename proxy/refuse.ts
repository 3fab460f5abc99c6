import type { ServerResponse } from 'node:http'
import { errors, type ErrorCode, type WeirError } from '../core/errors.js'
import { exceptionFrame } from '../core/providers/framing/event-frames.js'
import type { Family } from '../core/providers/registry.js'
import { endingOf } from './record.js'

const openAiType = (status: number): string =>
  status === 401
    ? 'authentication_error'
    : status === 403
      ? 'permission_error'
      : status === 404
        ? 'not_found_error'
        : status === 429
          ? 'rate_limit_error'
          : status >= 500
            ? 'server_error'
            : 'invalid_request_error'

const anthropicType = (status: number): string =>
  status === 413
    ? 'request_too_large'
    : status === 503
      ? 'overloaded_error'
      : status === 504
        ? 'timeout_error'
        : status >= 500
          ? 'api_error'
          : openAiType(status)

const geminiStatus = (status: number): string =>
  status === 401
    ? 'UNAUTHENTICATED'
    : status === 403
      ? 'PERMISSION_DENIED'
      : status === 404
        ? 'NOT_FOUND'
        : status === 429
          ? 'RESOURCE_EXHAUSTED'
          : status === 503
            ? 'UNAVAILABLE'
            : status === 504
              ? 'DEADLINE_EXCEEDED'
              : status >= 500
                ? 'INTERNAL'
                : 'INVALID_ARGUMENT'

const bedrockType = (status: number): string =>
  `${
    status === 401
      ? 'UnrecognizedClient'
      : status === 403
        ? 'AccessDenied'
        : status === 404
          ? 'ResourceNotFound'
          : status === 429
            ? 'Throttling'
            : status === 503
              ? 'ServiceUnavailable'
              : status === 504
                ? 'ModelTimeout'
                : status >= 500
                  ? 'InternalServer'
                  : 'Validation'
  }Exception`

interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly param: string | null
  readonly id: string
}

/** Our error in the schema of the caller's wire family (headers.md §5), as a value to be written as JSON. */
export const errorBody = (family: Family, { code, message, param, id }: Refusal): unknown => {
  const { status } = errors[code]
  switch (family) {
    case 'anthropic':
      return { type: 'error', error: { type: anthropicType(status), message, code }, request_id: id }
    case 'gemini':
      return {
        error: {
          code: status,
          message,
          status: geminiStatus(status),
          details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: code.toUpperCase(), domain: 'weir' }],
        },
      }
    case 'bedrock':
      return { message, code }
    case 'cohere':
      return { id, message, code }
    case 'ollama':
      return { error: message, code }
    default:
      return { error: { message, type: openAiType(status), param, code } }
  }
}

/** How an answer streams: SSE, Gemini's JSON array, JSON lines, Bedrock's frames. */
export type StreamForm = 'sse' | 'array' | 'lines' | 'frames'

/**
 * The same error as the last event of an answer whose head is out (routing.md §4); `null` where the family has none and the
 * connection must be cut instead.
 *
 * @param events How many have gone before it.
 */
export const errorEvent = (family: Family, form: StreamForm, refusal: Refusal, events: number): string | Buffer | null => {
  if (form === 'frames')
    return family === 'bedrock' ? exceptionFrame('internalServerException', errorBody(family, refusal)) : null
  const body = JSON.stringify(errorBody(family, refusal))
  if (form === 'lines') return family === 'ollama' ? `${body}\n` : null
  if (form === 'array') return family === 'gemini' ? `,${body}]` : null
  if (family === 'anthropic') return `event: error\ndata: ${body}\n\n`
  if (family === 'openai-responses')
    return `event: error\ndata: ${JSON.stringify({ type: 'error', code: refusal.code, message: refusal.message, param: refusal.param, sequence_number: events })}\n\n`
  if (family === 'openai-chat' || family === 'gemini') return `data: ${body}\n\n`
  if (family === 'cohere') {
    const { message, id } = refusal
    return `event: message-end\ndata: ${JSON.stringify({ type: 'message-end', id, delta: { finish_reason: 'ERROR', error: message } })}\n\n`
  }
  return null
}

/** Asked to wait longer, an SDK had better not. */
const longestRetryS = 60

/**
 * What our refusal says beside its body.
 *
 * @param spent Our own retries, or other targets, have been tried already.
 */
export const refusalHeaders = (family: Family, error: WeirError, spent = false): readonly string[] => {
  const { retry, status } = errors[error.code]
  return [
    'content-type',
    'application/json',
    'weir-error',
    error.code,
    'x-should-retry',
    retry === 'no' || (retry === 'if-untried' && spent) || (error.retryAfterS ?? 0) > longestRetryS ? 'false' : 'true',
    ...(error.retryAfterS !== null ? ['retry-after', String(error.retryAfterS)] : status === 503 ? ['retry-after', '1'] : []),
    // Where the upstream may have worked, what it cost is not known.
    ...(endingOf(error).outcome === 'refused' ? ['weir-cost', '0', 'weir-cost-source', 'usage'] : []),
    ...(family === 'bedrock' ? ['x-amzn-errortype', bedrockType(status)] : []),
  ]
}

/** The bytes of a refusal's body. */
export const refusalBytes = (family: Family, error: WeirError, id: string): Buffer =>
  Buffer.from(JSON.stringify(errorBody(family, { code: error.code, message: error.message, param: error.param, id })))

/** Writes a refusal. Nothing may have been sent before. */
export const writeRefusal = (res: ServerResponse, status: number, headers: readonly string[], body: Buffer): void => {
  res.writeHead(status, [...headers, 'content-length', String(body.length)])
  res.end(body)
}
