/** One way of asking one of the three families, plain or as a stream. */
export interface Form {
  readonly name: string
  readonly family: 'openai' | 'anthropic' | 'gemini'
  readonly stream: boolean
  readonly provider: string
  readonly api: string
  readonly model: string
  /** Behind the provider's name in the path. */
  readonly path: string
  readonly body: (prompt: string) => string
  /** Ends an SSE event in this provider's streams. */
  readonly eventEnd: string
}

const json = (value: unknown): string => JSON.stringify(value)

const openai = (stream: boolean): Form => ({
  name: stream ? 'openai stream' : 'openai plain',
  family: 'openai',
  stream,
  provider: 'openai',
  api: 'chat',
  model: 'gpt-5-mini',
  path: '/v1/chat/completions',
  body: (content) =>
    json({
      model: 'gpt-5-mini',
      messages: [{ role: 'user', content }],
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    }),
  eventEnd: '\n\n',
})

const anthropic = (stream: boolean): Form => ({
  name: stream ? 'anthropic stream' : 'anthropic plain',
  family: 'anthropic',
  stream,
  provider: 'anthropic',
  api: 'messages',
  model: 'claude-haiku-4-5',
  path: '/v1/messages',
  body: (content) =>
    json({
      model: 'claude-haiku-4-5',
      max_tokens: 1000,
      messages: [{ role: 'user', content }],
      ...(stream ? { stream } : {}),
    }),
  eventEnd: '\n\n',
})

const gemini = (stream: boolean): Form => ({
  name: stream ? 'gemini stream' : 'gemini plain',
  family: 'gemini',
  stream,
  provider: 'gemini',
  api: 'generate_content',
  model: 'gemini-2.5-flash',
  path: `/v1beta/models/gemini-2.5-flash:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
  body: (text) => json({ contents: [{ role: 'user', parts: [{ text }] }] }),
  eventEnd: '\r\n\r\n',
})

/** The three families, plain and streaming. */
export const forms: readonly Form[] = [openai, anthropic, gemini].flatMap((form) => [form(false), form(true)])

/** What each family calls the error that ours is, by its code: see headers.md §5. */
export const errorTypes = {
  openai: (status: number): string =>
    status === 401
      ? 'authentication_error'
      : status === 404
        ? 'not_found_error'
        : status >= 500
          ? 'server_error'
          : 'invalid_request_error',
  anthropic: (status: number): string =>
    status === 401
      ? 'authentication_error'
      : status === 404
        ? 'not_found_error'
        : status === 413
          ? 'request_too_large'
          : status === 503
            ? 'overloaded_error'
            : status === 504
              ? 'timeout_error'
              : status >= 500
                ? 'api_error'
                : 'invalid_request_error',
  gemini: (status: number): string =>
    status === 401
      ? 'UNAUTHENTICATED'
      : status === 404
        ? 'NOT_FOUND'
        : status === 503
          ? 'UNAVAILABLE'
          : status === 504
            ? 'DEADLINE_EXCEEDED'
            : status >= 500
              ? 'INTERNAL'
              : 'INVALID_ARGUMENT',
} as const

interface AnyError {
  readonly type?: string
  readonly request_id?: string
  readonly error?: {
    readonly message?: string
    readonly type?: string
    readonly code?: string | number
    readonly status?: string
    readonly param?: string | null
    readonly details?: readonly { readonly '@type': string; readonly reason: string; readonly domain: string }[]
  }
}

/** Our error as a family's client reads it. */
export interface ReadError {
  readonly code: string
  readonly type: string
  readonly hasMessage: boolean
  /** What this family has beside: the outer type and id (Anthropic), the status (Gemini), the param (OpenAI). */
  readonly beside: unknown
}

/** Reads an error body of ours by the schema of a family, so that a body in another family's shape does not pass. */
export const readError = (family: Form['family'], text: string): ReadError => {
  const body = JSON.parse(text) as AnyError
  const error = body.error ?? {}
  const hasMessage = (error.message ?? '').length > 10
  switch (family) {
    case 'openai':
      return { code: String(error.code), type: error.type ?? '', hasMessage, beside: 'param' in error ? 'param' : 'no param' }
    case 'anthropic':
      return { code: String(error.code), type: error.type ?? '', hasMessage, beside: [body.type, body.request_id] }
    case 'gemini':
      return {
        code: (error.details?.[0]?.reason ?? '').toLowerCase(),
        type: error.status ?? '',
        hasMessage,
        beside: [error.code, error.details?.[0]?.['@type'], error.details?.[0]?.domain],
      }
  }
}

/** What `readError` should give for our error. */
export const expectedError = (family: Form['family'], code: string, status: number, id: string): ReadError => ({
  code,
  type: errorTypes[family](status),
  hasMessage: true,
  beside:
    family === 'openai'
      ? 'param'
      : family === 'anthropic'
        ? ['error', id]
        : [status, 'type.googleapis.com/google.rpc.ErrorInfo', 'weir'],
})
