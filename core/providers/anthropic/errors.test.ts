import { expect, test } from 'vitest'
import { classifyError } from '../classify-error.js'

const told = (type: string, message = 'm'): object => ({ type: 'error', error: { type, message }, request_id: 'req_1' })

test.each([
  [
    400,
    told('invalid_request_error', 'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000'),
    'context_length',
  ],
  [400, told('invalid_request_error', 'The prompt exceeds the context window of this model.'), 'context_length'],
  [400, told('invalid_request_error', 'You have reached your specified API usage limits.'), 'quota'],
  [400, told('invalid_request_error', 'messages: at least one message is required'), 'bad_request'],
  [402, told('billing_error'), 'quota'],
  [409, told('conflict_error'), 'conflict'],
  [504, told('timeout_error'), 'server'],
  [529, told('overloaded_error'), 'overloaded'],
  // After a 200 no status helps where the type is new.
  [200, told('a_new_error'), 'server'],
  // Vertex refuses in Google's form, alone or in a list.
  [429, { error: { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' } }, 'rate_limit'],
  [404, [{ error: { code: 404, message: 'no such model', status: 'NOT_FOUND' } }], 'not_found'],
] as const)('%i %j is %s', (status, body, kind) => {
  expect(classifyError({ family: 'anthropic', provider: 'vertex', status, headers: {}, body: JSON.stringify(body) }).kind).toBe(
    kind,
  )
})
