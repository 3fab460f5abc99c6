import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { errors, WeirError, type ErrorCode } from '../../core/errors.js'
import type { Family } from '../../core/providers/registry.js'
import { errorBody, refusalBytes, refusalHeaders } from '../refuse.js'
import { startHouse, type House } from './testing-house.js'

/** Section 5 of the contract: status, then what OpenAI's, Anthropic's, Gemini's and Bedrock's SDKs find. */
const types: Readonly<Record<number, readonly [string, string, string, string]>> = {
  400: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT', 'Validation'],
  405: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT', 'Validation'],
  408: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT', 'Validation'],
  413: ['invalid_request_error', 'request_too_large', 'INVALID_ARGUMENT', 'Validation'],
  417: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT', 'Validation'],
  431: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT', 'Validation'],
  401: ['authentication_error', 'authentication_error', 'UNAUTHENTICATED', 'UnrecognizedClient'],
  403: ['permission_error', 'permission_error', 'PERMISSION_DENIED', 'AccessDenied'],
  404: ['not_found_error', 'not_found_error', 'NOT_FOUND', 'ResourceNotFound'],
  429: ['rate_limit_error', 'rate_limit_error', 'RESOURCE_EXHAUSTED', 'Throttling'],
  500: ['server_error', 'api_error', 'INTERNAL', 'InternalServer'],
  502: ['server_error', 'api_error', 'INTERNAL', 'InternalServer'],
  508: ['server_error', 'api_error', 'INTERNAL', 'InternalServer'],
  503: ['server_error', 'overloaded_error', 'UNAVAILABLE', 'ServiceUnavailable'],
  504: ['server_error', 'timeout_error', 'DEADLINE_EXCEEDED', 'ModelTimeout'],
}

/** Which code has which status, and whether it is worth another try: the contract's own list. */
const agreedCodes: Readonly<Record<string, readonly [number, boolean]>> = {
  bad_header: [400, false],
  unknown_header: [400, false],
  reserved_header: [400, false],
  unknown_model: [400, false],
  family_unsupported: [400, false],
  target_missing: [400, false],
  bad_body: [400, false],
  auth_missing: [401, false],
  auth_invalid: [401, false],
  credential_missing: [401, false],
  credential_mismatch: [401, false],
  sigv4_unsupported: [401, false],
  policy_denied: [403, false],
  target_denied: [403, false],
  unknown_path: [404, false],
  method_not_allowed: [405, false],
  request_timeout: [408, true],
  body_too_large: [413, false],
  expect_failed: [417, false],
  headers_too_large: [431, false],
  rate_limited: [429, true],
  too_many_in_flight: [429, true],
  internal: [500, true],
  upstream_unreachable: [502, true],
  upstream_reset: [502, true],
  upstream_bad_response: [502, true],
  draining: [503, true],
  saturated: [503, true],
  journal_unavailable: [503, true],
  limits_unavailable: [503, true],
  control_stale: [503, true],
  timeout_connect: [504, true],
  timeout_ttft: [504, true],
  timeout_idle: [504, true],
  timeout_total: [504, true],
  loop_detected: [508, false],
}

const families: readonly Family[] = ['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'bedrock', 'cohere', 'ollama']
const codes = Object.keys(errors) as ErrorCode[]

/** What a family's SDK gets, written down apart from the code. */
const bodyIn = (family: Family, code: ErrorCode, id: string): unknown => {
  const status = errors[code].status
  const [openAi, anthropic, gemini] = types[status] ?? []
  const message = 'M'
  switch (family) {
    case 'anthropic':
      return { type: 'error', error: { type: anthropic, message, code }, request_id: id }
    case 'gemini':
      return {
        error: {
          code: status,
          message,
          status: gemini,
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
      return { error: { message, type: openAi, param: 'P', code } }
  }
}

test('the codes, their statuses, and which are worth another try', () => {
  const told = Object.fromEntries(
    codes.map((code) => {
      const headers = refusalHeaders('openai-chat', new WeirError(code, 'M'))
      return [code, [errors[code].status, headers[headers.indexOf('x-should-retry') + 1] === 'true']]
    }),
  )
  expect(told).toEqual(agreedCodes)
})

describe.each(families)('%s', (family) => {
  test.each(codes)('%s', (code) => {
    expect(errorBody(family, { code, message: 'M', param: 'P', id: 'I' })).toEqual(bodyIn(family, code, 'I'))
    const headers = refusalHeaders(family, new WeirError(code, 'M'))
    const at = headers.indexOf('x-amzn-errortype')
    expect(at < 0 ? null : headers[at + 1]).toBe(
      family === 'bedrock' ? `${types[errors[code].status]?.[3] ?? ''}Exception` : null,
    )
    expect(JSON.parse(refusalBytes(family, new WeirError(code, 'M', { param: 'P' }), 'I').toString())).toEqual(
      bodyIn(family, code, 'I'),
    )
  })
})

describe('at a running proxy', () => {
  let fake: FakeProvider
  let house: House
  beforeAll(async () => {
    fake = await startFakeProvider()
    house = await startHouse(fake.origin, `  own-an: { origin: "${fake.origin}", family: anthropic, auth: none }\n`)
  })
  afterAll(async () => {
    expect(fake.total()).toBe(0)
    await house.close()
    await fake.close()
  })

  const paths: readonly (readonly [Family, string])[] = [
    ['openai-chat', '/openai/v1/chat/completions'],
    ['openai-chat', '/v1/chat/completions'],
    ['openai-chat', '/v1/gateway/oai/v1/chat/completions'],
    ['openai-chat', '/groq/v1/embeddings'],
    ['openai-responses', '/openai/v1/responses'],
    ['anthropic', '/anthropic/v1/messages'],
    ['anthropic', '/v1/messages'],
    ['anthropic', '/deepseek/anthropic/v1/messages'],
    ['anthropic', '/own-an/v1/messages'],
    ['openai-chat', '/anthropic/v1/chat/completions'],
    ['gemini', '/gemini/v1beta/models/gemini-2.5-flash:generateContent'],
    ['gemini', '/vertex/global/v1/projects/p/locations/global/publishers/google/models/m:generateContent'],
    ['bedrock', '/bedrock/us-east-1/model/m/converse'],
    ['cohere', '/cohere/v2/chat'],
    ['ollama', '/ollama/api/chat'],
  ]

  test.each(paths)('%s: a bad header at %s', async (family, path) => {
    const { status, headers, body, id } = await house.call({ 'Weir-Retry-Num': 'x' }, path)
    const message = 'Weir-Retry-Num: accepted is a whole number from 0 to 10.'
    expect([status, headers['weir-error'], headers['content-type'], headers['x-should-retry']]).toEqual([
      400,
      'bad_header',
      'application/json',
      'false',
    ])
    expect(body).toEqual(
      JSON.parse(
        JSON.stringify(bodyIn(family, 'bad_header', id))
          .replace('"M"', JSON.stringify(message))
          .replace('"P"', '"Weir-Retry-Num"'),
      ),
    )
    expect(headers['x-amzn-errortype']).toBe(family === 'bedrock' ? 'ValidationException' : undefined)
  })

  test.each([
    ['openai-chat', '/openai/nowhere'],
    ['anthropic', '/anthropic/nowhere'],
    ['gemini', '/gemini/nowhere'],
    ['bedrock', '/bedrock/us-east-1/nowhere'],
    ['cohere', '/cohere/nowhere'],
    ['ollama', '/ollama/nowhere'],
    ['openai-chat', '/nowhere'],
  ] as const)('%s: a path that leads nowhere, %s', async (family, path) => {
    const { status, headers, body } = await house.call({}, path)
    expect([status, headers['weir-error']]).toEqual([404, 'unknown_path'])
    const { message = '', error } = body as { message?: string; error?: { message?: string } | string }
    const said = typeof error === 'string' ? error : (error?.message ?? message)
    expect(said).toContain(path)
    const shape = (value: unknown): unknown =>
      typeof value === 'object' && value !== null
        ? Object.keys(value)
            .sort()
            .map((key) => [key, shape((value as Record<string, unknown>)[key])])
        : typeof value
    expect(shape(body)).toEqual(
      shape({
        ...(bodyIn(family, 'unknown_path', 'I') as object),
        ...(family.startsWith('openai') ? { error: { message: '', type: '', param: null, code: '' } } : {}),
      }),
    )
  })
})
