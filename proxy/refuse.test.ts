import { describe, expect, test } from 'vitest'
import { errors, WeirError, type ErrorCode } from '../core/errors.js'
import { awsEventStreamSplitter } from '../core/providers/framing/aws-event-stream.js'
import type { Family } from '../core/providers/registry.js'
import { errorBody, errorEvent, refusalHeaders } from './refuse.js'

const refusal = { code: 'upstream_reset' as const, message: 'M', param: null, id: 'ID' }

describe('our error in the caller\u2019s family', () => {
  test.each<[Family, unknown]>([
    ['openai-chat', { error: { message: 'M', type: 'server_error', param: null, code: 'upstream_reset' } }],
    ['openai-responses', { error: { message: 'M', type: 'server_error', param: null, code: 'upstream_reset' } }],
    ['anthropic', { type: 'error', error: { type: 'api_error', message: 'M', code: 'upstream_reset' }, request_id: 'ID' }],
    [
      'gemini',
      {
        error: {
          code: 502,
          message: 'M',
          status: 'INTERNAL',
          details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'UPSTREAM_RESET', domain: 'weir' }],
        },
      },
    ],
    ['bedrock', { message: 'M', code: 'upstream_reset' }],
    ['cohere', { id: 'ID', message: 'M', code: 'upstream_reset' }],
    ['ollama', { error: 'M', code: 'upstream_reset' }],
  ])('%s', (family, body) => expect(errorBody(family, refusal)).toEqual(body))

  test.each<[ErrorCode, string, string, string]>([
    ['bad_header', 'invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT'],
    ['body_too_large', 'invalid_request_error', 'request_too_large', 'INVALID_ARGUMENT'],
    ['credential_mismatch', 'authentication_error', 'authentication_error', 'UNAUTHENTICATED'],
    ['policy_denied', 'permission_error', 'permission_error', 'PERMISSION_DENIED'],
    ['unknown_path', 'not_found_error', 'not_found_error', 'NOT_FOUND'],
    ['saturated', 'server_error', 'overloaded_error', 'UNAVAILABLE'],
    ['timeout_ttft', 'server_error', 'timeout_error', 'DEADLINE_EXCEEDED'],
  ])('%s has the type of its status', (code, openai, anthropic, gemini) => {
    const at = { ...refusal, code }
    expect(errorBody('openai-chat', at)).toMatchObject({ error: { type: openai } })
    expect(errorBody('anthropic', at)).toMatchObject({ error: { type: anthropic } })
    expect(errorBody('gemini', at)).toMatchObject({ error: { status: gemini } })
  })
})

test('the headers tell an SDK whether to try again', () => {
  const headers = (code: ErrorCode): string => refusalHeaders('openai-chat', new WeirError(code, 'M')).join(' ')
  for (const code of Object.keys(errors) as ErrorCode[])
    expect(headers(code)).toContain(`weir-error ${code} x-should-retry ${errors[code].retry === 'no' ? 'false' : 'true'}`)
  expect(headers('draining')).toContain('retry-after 1')
  expect(refusalHeaders('bedrock', new WeirError('saturated', 'M'))).toContain('ServiceUnavailableException')
})

describe('as the last event of a stream', () => {
  const parsedData = (event: string | Buffer | null): unknown =>
    JSON.parse(/^data: (.*)$/m.exec(event?.toString() ?? '')?.[1] ?? 'null')
  test('anthropic, openai and gemini have one', () => {
    expect(errorEvent('anthropic', 'sse', refusal, 7)).toMatch(/^event: error\ndata: \{.*\}\n\n$/)
    expect(parsedData(errorEvent('openai-chat', 'sse', refusal, 7))).toEqual(errorBody('openai-chat', refusal))
    expect(parsedData(errorEvent('openai-responses', 'sse', refusal, 7))).toEqual({
      type: 'error',
      code: 'upstream_reset',
      message: 'M',
      param: null,
      sequence_number: 7,
    })
    expect(JSON.parse(`[{}${errorEvent('gemini', 'array', refusal, 7) ?? ''}`)).toHaveLength(2)
  })
  test('Cohere and Ollama have one', () => {
    expect(parsedData(errorEvent('cohere', 'sse', refusal, 7))).toEqual({
      type: 'message-end',
      id: 'ID',
      delta: { finish_reason: 'ERROR', error: 'M' },
    })
    expect(errorEvent('ollama', 'lines', refusal, 7)).toBe('{"error":"M","code":"upstream_reset"}\n')
  })
  test('Bedrock has a frame, in which its clients find the type', () => {
    const frames: unknown[] = []
    const splitter = awsEventStreamSplitter(
      (data, name) => frames.push([name, JSON.parse(data)]),
      () => undefined,
    )
    splitter.push(errorEvent('bedrock', 'frames', refusal, 7) as Buffer)
    expect(frames).toEqual([['exception:internalServerException', { message: 'M', code: 'upstream_reset' }]])
  })
  test('others are cut instead', () => {
    expect(errorEvent('openai-chat', 'frames', refusal, 7)).toBeNull()
    expect(errorEvent('bedrock', 'sse', refusal, 7)).toBeNull()
    expect(errorEvent('cohere', 'lines', refusal, 7)).toBeNull()
    expect(errorEvent('ollama', 'sse', refusal, 7)).toBeNull()
  })
})
