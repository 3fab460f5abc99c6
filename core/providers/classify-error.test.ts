import { expect, test } from 'vitest'
import { classifyError } from './classify-error.js'

const told = (family: string, status: number, body: unknown): string =>
  classifyError({ family, provider: family, status, headers: {}, body: typeof body === 'string' ? body : JSON.stringify(body) })
    .kind

const openai = (code: string | number | null, type = 'x'): object => ({ error: { message: 'm', type, code } })
const anthropic = (type: string, message = 'm'): object => ({ type: 'error', error: { type, message } })
const google = (status: string, more: object = {}): object => ({ error: { code: 400, message: 'm', status, ...more } })

// routing.md §3: the body decides before the status.
test.each([
  ['openai-chat', 429, openai('insufficient_quota'), 'quota'],
  ['openai-chat', 400, openai('context_length_exceeded'), 'context_length'],
  ['openai-chat', 400, openai('content_filter'), 'content_policy'],
  ['openai-chat', 404, openai('model_not_found'), 'not_found'],
  ['openai-chat', 400, openai('DeploymentNotFound'), 'not_found'],
  ['openai-chat', 500, openai('server_error'), 'server'],
  ['openai-chat', 200, openai(502), 'server'],
  ['openai-chat', 400, openai(null, 'invalid_request_error'), 'bad_request'],
  ['openai-chat', 503, openai('service_tier_capacity_exceeded'), 'overloaded'],
  ['openai-responses', 401, openai('invalid_api_key'), 'auth'],
  ['anthropic', 529, anthropic('overloaded_error'), 'overloaded'],
  ['anthropic', 400, anthropic('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'), 'context_length'],
  ['anthropic', 400, anthropic('invalid_request_error', 'Your credit balance is too low'), 'quota'],
  ['anthropic', 400, anthropic('invalid_request_error'), 'bad_request'],
  ['anthropic', 403, anthropic('permission_error'), 'auth'],
  ['anthropic', 413, anthropic('request_too_large'), 'too_large'],
  ['anthropic', 500, anthropic('api_error'), 'server'],
  ['gemini', 429, google('RESOURCE_EXHAUSTED'), 'rate_limit'],
  [
    'gemini',
    429,
    google('RESOURCE_EXHAUSTED', { details: [{ violations: [{ quotaId: 'GenerateRequestsPerDayPerProject' }] }] }),
    'quota',
  ],
  ['gemini', 400, google('INVALID_ARGUMENT', { details: [{ reason: 'API_KEY_INVALID' }] }), 'auth'],
  [
    'gemini',
    400,
    google('INVALID_ARGUMENT', { message: 'The input token count (1200000) exceeds the maximum' }),
    'context_length',
  ],
  ['gemini', 503, [google('UNAVAILABLE')], 'overloaded'],
  ['gemini', 504, google('DEADLINE_EXCEEDED'), 'server'],
  ['openai-chat', 503, '<html>', 'overloaded'],
  ['openai-chat', 402, '', 'quota'],
  ['openai-chat', 409, '{}', 'conflict'],
  ['openai-chat', 418, '{}', 'bad_request'],
  ['openai-chat', 524, '', 'server'],
  ['openai-chat', 200, '{"choices":[]}', ''],
] as const)('%s %i %j is %s', (family, status, body, kind) => {
  expect(told(family, status, body)).toBe(kind)
})

// What single providers say in OpenAI's form.
test.each([
  [
    'Groq, in a 200',
    200,
    { error: { message: 'm', type: 'invalid_request_error', code: 'tool_use_failed', status_code: 400 } },
    'bad_request',
  ],
  ['Groq, an old model', 400, openai('model_decommissioned'), 'not_found'],
  [
    'vLLM',
    400,
    { object: 'error', message: "This model's maximum context length is 4096 tokens.", type: 'BadRequestError', code: 400 },
    'context_length',
  ],
  [
    'vLLM, newer',
    400,
    { error: { message: 'maximum context length is 4096', type: 'BadRequestError', code: 400 } },
    'context_length',
  ],
  ['llama.cpp, loading', 503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }, 'overloaded'],
  ['llama.cpp, too long', 400, { error: { code: 400, message: 'm', type: 'exceed_context_size_error' } }, 'context_length'],
  ['TGI', 429, { error: 'Model is overloaded', error_type: 'overloaded' }, 'overloaded'],
  [
    'TGI, too long',
    422,
    { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096', error_type: 'validation' },
    'context_length',
  ],
  [
    'a limit that speaks of context',
    429,
    { error: { message: 'Too many requests with a long context length', type: 'requests' } },
    'rate_limit',
  ],
  [
    'Mistral, its own numbers',
    429,
    { object: 'error', message: 'Requests rate limit exceeded', type: 'rate_limited', code: '1300' },
    'rate_limit',
  ],
  [
    'Mistral, capacity',
    429,
    { object: 'error', message: 'm', type: 'service_tier_capacity_exceeded', code: '3505' },
    'overloaded',
  ],
  ['Mistral, unsigned', 401, { detail: 'Unauthorized' }, 'auth'],
  ['Moonshot', 429, openai(null, 'engine_overloaded_error'), 'overloaded'],
  ['Moonshot, no money', 429, openai(null, 'exceeded_current_quota_error'), 'quota'],
  ['z.ai, no money', 429, { error: { code: '1113', message: 'm' } }, 'quota'],
  ['z.ai, too often', 429, { error: { code: '1302', message: 'm' } }, 'rate_limit'],
  [
    'DeepSeek, no money',
    402,
    { error: { message: 'Insufficient Balance', type: 'unknown_error', code: 'invalid_request_error' } },
    'quota',
  ],
  [
    'xAI',
    400,
    { code: 'Client specified an invalid argument', error: "This model's maximum prompt length is 131072" },
    'context_length',
  ],
  [
    'Azure, filter',
    400,
    { error: { code: null, message: 'm', innererror: { code: 'ResponsibleAIPolicyViolation' } } },
    'content_policy',
  ],
  ['Azure, gateway', 401, { statusCode: 401, message: 'Unauthorized. Access token is missing' }, 'auth'],
  [
    'OpenRouter, as its provider said',
    400,
    {
      error: {
        code: 400,
        message: 'Provider returned error',
        metadata: { raw: '{"error":{"code":"context_length_exceeded","message":"too long"}}' },
      },
    },
    'context_length',
  ],
  [
    'OpenRouter, moderation',
    403,
    { error: { code: 403, message: 'm', metadata: { reasons: ['violence'], flagged_input: 'x' } } },
    'content_policy',
  ],
  ['a code that is a word of the language', 400, openai('constructor'), 'bad_request'],
  ['problem details', 422, { type: 'urn:x', title: 'Unprocessable', status: 422, detail: 'bad' }, 'bad_request'],
] as const)('%s', (_who, status, body, kind) => {
  expect(told('openai-chat', status, body)).toBe(kind)
})

test('what stood behind a gateway, and errors without an object, keep their words', () => {
  const message = (status: number, body: object): string =>
    classifyError({ family: 'openai-chat', provider: 'x', status, headers: {}, body: JSON.stringify(body) }).message
  expect(message(429, { error: { code: 429, message: 'Provider returned error', metadata: { raw: 'try later' } } })).toBe(
    'Provider returned error: try later',
  )
  expect(
    message(429, { error: { code: 429, message: 'Provider returned error', metadata: { raw: '{"error":{"message":"slów"}}' } } }),
  ).toBe('Provider returned error: slów')
  expect(message(422, { detail: [{ loc: ['body'], msg: 'field required' }] })).toBe('field required')
  expect(message(401, { message: 'Unauthorized', request_id: 'r' })).toBe('Unauthorized')
})

test('text is masked and cut at 4 KiB, between characters', () => {
  const { message } = classifyError({
    family: 'openai-chat',
    provider: 'openai',
    status: 401,
    headers: {},
    body: JSON.stringify({ error: { message: `Incorrect API key: sk-proj-abcdefghijklmnop1234. ${'ë'.repeat(4000)}` } }),
  })
  expect(message).not.toContain('abcdefghijklmnop')
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4096)
  expect(message.endsWith('ë')).toBe(true)
})
