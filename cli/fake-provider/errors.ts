import { exceptionFrame } from '../../core/providers/framing/event-frames.js'
import { amount } from './faults.js'
import type { Asked, Reply } from './reply.js'
import { json } from './reply.js'

export type Dialect = 'openai' | 'anthropic' | 'gemini' | 'bedrock'

const anthropicTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}
const geminiStatuses: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}
const geminiCodes = new Map(Object.entries(geminiStatuses).map(([code, name]) => [name, code]))
const bedrockTypes: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
}
const openAiTypes: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  404: ['invalid_request_error', 'unknown_url'],
  429: ['requests', 'rate_limit_exceeded'],
}

const sentence = (status: number): string =>
  status === 401
    ? 'Incorrect API key provided.'
    : status === 429
      ? 'Rate limit reached for requests.'
      : status >= 500
        ? 'The server had an error while processing your request.'
        : 'The request cannot be served.'

/** Gemini's details: `RetryInfo`, `QuotaFailure`, `ErrorInfo`, each if it is asked for. */
const geminiDetails = ({ fake }: Asked): readonly unknown[] => {
  const type = (name: string): { readonly '@type': string } => ({ '@type': `type.googleapis.com/google.rpc.${name}` })
  const [retryInfo, quotaId, reason] = [fake.get('retry-info'), fake.get('quota-id'), fake.get('reason')]
  return [
    ...(reason === undefined ? [] : [{ ...type('ErrorInfo'), reason, domain: 'googleapis.com' }]),
    ...(quotaId === undefined ? [] : [{ ...type('QuotaFailure'), violations: [{ quotaId, quotaValue: '50' }] }]),
    ...(retryInfo === undefined ? [] : [{ ...type('RetryInfo'), retryDelay: `${retryInfo}s` }]),
  ]
}

/** A code that is a number stands as one, as at OpenRouter. */
const codeOf = (named: string): string | number => (/^\d+$/.test(named) ? Number(named) : named)

const openAiError = (status: number, message: string, { fake }: Asked): unknown => {
  const named = fake.get('error')
  const [type, code] = openAiTypes[status] ?? [status >= 500 ? 'server_error' : 'invalid_request_error', null]
  const told = amount(fake, 'status-code')
  const beside = told === null ? {} : { status_code: told }
  // Mistral's has no object around it, and its name is its type.
  return fake.has('flat')
    ? { object: 'error', message, type: named ?? type, param: null, code: null, ...beside }
    : {
        error: {
          message,
          type: named === undefined ? type : 'error',
          param: null,
          code: named === undefined ? code : codeOf(named),
          ...beside,
        },
      }
}

const bodyOf = (dialect: Dialect, status: number, sentence: string, asked: Asked): unknown => {
  const named = asked.fake.get('error')
  const message = asked.fake.get('message') ?? sentence
  switch (dialect) {
    case 'anthropic':
      return {
        type: 'error',
        error: { type: named ?? anthropicTypes[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error'), message },
        request_id: asked.id('req_', 24),
      }
    case 'gemini': {
      const details = geminiDetails(asked)
      // Inside a 200 the code is the one that belongs to the name.
      const code = status >= 400 && named === undefined ? status : Number(geminiCodes.get(named ?? '') ?? status)
      return {
        error: {
          code,
          message,
          status: named ?? geminiStatuses[status] ?? 'UNKNOWN',
          ...(details.length === 0 ? {} : { details }),
        },
      }
    }
    case 'bedrock':
      return { message }
    case 'openai':
      return openAiError(status, message, asked)
  }
}

/** The provider's own error, in its own shape, with the headers that tell a client when to come back. */
export const providerError = (dialect: Dialect, asked: Asked, status: number, message = sentence(status)): Reply => {
  const headers: Record<string, string> = {}
  for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry']) {
    const value = asked.fake.get(name)
    if (value !== undefined) headers[name] = value
  }
  if (dialect === 'bedrock')
    headers['x-amzn-errortype'] = asked.fake.get('error') ?? bedrockTypes[status] ?? 'ValidationException'
  if (asked.fake.has('html'))
    return {
      status,
      headers: { 'content-type': 'text/html', ...headers },
      parts: [Buffer.from(`<html><head><title>${status}</title></head><body><h1>${status}</h1><hr>edge</body></html>\r\n`)],
      stream: false,
      terminal: 0,
      errorEvent: null,
    }
  return json(bodyOf(dialect, status, message, asked), status, headers)
}

/** What Gemini puts into a stream: an element of its own. */
export const geminiErrorElement = (asked: Asked): string => JSON.stringify(bodyOf('gemini', 500, sentence(500), asked))

/** The exception frame of a Bedrock stream. */
export const bedrockExceptionFrame = ({ fake }: Asked): Buffer =>
  exceptionFrame(fake.get('error') ?? 'internalServerException', { message: fake.get('message') ?? sentence(500) })

/** The error event each provider puts into a stream whose head said 200; how OpenAI's looks, `error-form` says. */
export const errorEvent = (dialect: 'openai' | 'anthropic' | 'gemini', asked: Asked): string => {
  const { fake } = asked
  if (dialect === 'anthropic')
    return `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: fake.get('error') ?? 'overloaded_error', message: fake.get('message') ?? 'Overloaded' } })}\n\n`
  if (dialect === 'gemini') return `data: ${geminiErrorElement(asked)}\r\n\r\n`
  const code = fake.get('error') ?? 'server_error'
  const message = fake.get('message') ?? sentence(500)
  switch (fake.get('error-form')) {
    case 'event':
      return `event: error\ndata: ${JSON.stringify(openAiError(500, message, asked))}\n\n`
    case 'typed':
      return `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param: null, sequence_number: 1 })}\n\n`
    case 'failed':
      return `event: response.failed\ndata: ${JSON.stringify({
        type: 'response.failed',
        sequence_number: 1,
        response: { id: asked.id('resp_', 48), object: 'response', status: 'failed', error: { code, message }, output: [] },
      })}\n\n`
    default:
      return `data: ${JSON.stringify(openAiError(500, message, asked))}\n\n`
  }
}
