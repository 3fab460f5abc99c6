import { describe, expect, test } from 'vitest'
import { secretsIn } from './config/secrets-in.js'
import { hideIn, secretHider } from './hide-secrets.js'

const hide = secretHider(['can/ary "1"', 'second-canary'])

test.each([
  ['plain', 'NOAUTH can/ary "1" refused', 'NOAUTH [hidden] refused'],
  ['in JSON', '{"p":"can/ary \\"1\\""}', '{"p":"[hidden]"}'],
  ['URL-encoded', 'http://h/?p=can%2Fary%20%221%22&q=1', 'http://h/?p=[hidden]&q=1'],
  ['in base64', `x ${Buffer.from('second-canary').toString('base64')} y`, 'x [hidden] y'],
])('a known secret, %s', (_, told, shown) => expect(hide(told)).toBe(shown))

test.each([
  ['redis://user:pa55@redis:6379/0 is away', 'redis://[hidden]@redis:6379/0 is away'],
  ['refused: Bearer abcdefgh12345678.x', 'refused: Bearer [hidden]'],
  ['Basic dXNlcjpwYXNzd29yZA== is wrong', 'Basic [hidden] is wrong'],
  ['GET /v1/models?alt=sse&key=abc123&x=1', 'GET /v1/models?alt=sse&key=[hidden]&x=1'],
  ['{"x-api-key":"abcdef123"}', '{"x-api-key":"[hidden]"}'],
  ['{\\"authorization\\":\\"abcdef123\\"}', '{\\"authorization\\":\\"[hidden]\\"}'],
  ['Incorrect API key provided: sk-proj-abcdefghijklmnop1234', 'Incorrect API key provided: sk-pro***'],
])('where secrets stand: %s', (told, shown) => expect(hide(told)).toBe(shown))

test.each([
  'Basic information about a call',
  'http://127.0.0.1:8787/openai/v1',
  'weir.yaml:3:5: keys: the name "a" is used twice.',
  'a key=value',
])('what is no secret stays: %s', (told) => expect(hide(told)).toBe(told))

test('a line of 1 MB of what almost matches takes no time', () => {
  const startedAt = performance.now()
  for (const part of ['a', 'Bearer ', '?key', 'x://', 'authorization:', 'sk-']) hide(part.repeat(1_000_000 / part.length))
  expect(performance.now() - startedAt).toBeLessThan(10_000)
})

test('fields that are named like a secret are hidden at any depth, and texts in lists are seen to', () =>
  expect(hideIn({ a: { Authorization: 'x', b: ['second-canary', 1, null] }, headers: { c: 'd' } }, hide)).toEqual({
    a: { Authorization: '[hidden]', b: ['[hidden]', 1, null] },
    headers: '[hidden]',
  }))

describe('secretsIn', () => {
  const env = {
    WEIR_ADMIN_SECRET: 'admin-secret',
    REDIS_URL: 'redis://:p%2Fassword@host:6379',
    CLICKHOUSE_URL: 'http://weir:raw/pass@word@host:8123',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abcdefgh,x=otel-header',
    LANGFUSE_AUTH: 'langfuse-secret',
    SHORT: 'abc',
  }
  test('of the environment', () =>
    expect(secretsIn('', env)).toEqual([
      'admin-secret',
      'raw/pass@word',
      'p%2Fassword',
      'p/assword',
      'Basic%20abcdefgh',
      'Basic abcdefgh',
      'abcdefgh',
      'otel-header',
    ]))

  const inFile = (text: string): readonly string[] => secretsIn(text, { LANGFUSE_AUTH: env.LANGFUSE_AUTH, SHORT: env.SHORT })
  test('of weir.yaml: what ${NAME} stands for, values named like a secret, any header, passwords in URLs', () => {
    expect(inFile('exports: [{ headers: { authorization: "Basic ${LANGFUSE_AUTH}", x-any: header-value } }]')).toEqual([
      'langfuse-secret',
      'Basic langfuse-secret',
      'header-value',
    ])
    expect(inFile('kafka: { sasl: { username: weir, password: kafka-password } }')).toEqual(['kafka-password'])
    expect(inFile('providers: { a: { origin: "https://u:url-password@host", key: "${SHORT}" } }')).toEqual(['url-password'])
  })
  test('of a file with a fault', () =>
    expect(inFile('kafka: { sasl: { password: kafka-password }\nunknown: [\nx: ${LANGFUSE_AUTH}')).toEqual(
      expect.arrayContaining(['langfuse-secret', 'kafka-password']),
    ))
})
