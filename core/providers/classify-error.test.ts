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
