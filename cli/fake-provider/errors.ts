import type { Asked, Reply } from './reply.js'
import { json } from './reply.js'

export type Dialect = 'openai' | 'anthropic' | 'gemini'

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

const bodyOf = (dialect: Dialect, status: number, sentence: string, asked: Asked): unknown => {
  const named = asked.fake.get('error')
  const message = asked.fake.get('message') ?? sentence
  const retryInfo = asked.fake.get('retry-info')
  switch (dialect) {
    case 'anthropic':
      return {
        type: 'error',
        error: { type: named ?? anthropicTypes[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error'), message },
        request_id: asked.id('req_', 24),
      }
    case 'gemini':
      return {
        error: {
          code: status,
          message,
          status: named ?? geminiStatuses[status] ?? 'UNKNOWN',
          ...(retryInfo === undefined
            ? {}
            : { details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryInfo}s` }] }),
        },
      }
    case 'openai': {
      const [type, code] = openAiTypes[status] ?? [status >= 500 ? 'server_error' : 'invalid_request_error', null]
      return { error: { message, type: named === undefined ? type : 'error', param: null, code: named ?? code } }
    }
  }
}

/** The provider's own error, in its own shape, with the headers that tell a client when to come back. */
export const providerError = (dialect: Dialect, asked: Asked, status: number, message = sentence(status)): Reply => {
  const headers: Record<string, string> = {}
  for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry']) {
    const value = asked.fake.get(name)
    if (value !== undefined) headers[name] = value
  }
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

/** The error event each provider puts into a stream whose head said 200. */
export const errorEvent = (dialect: Dialect, asked: Asked): string => {
  if (dialect === 'anthropic')
    return `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: asked.fake.get('error') ?? 'overloaded_error', message: asked.fake.get('message') ?? 'Overloaded' } })}\n\n`
  const body = JSON.stringify(bodyOf(dialect, 500, sentence(500), asked))
  return dialect === 'gemini' ? `data: ${body}\r\n\r\n` : `data: ${body}\n\n`
}
