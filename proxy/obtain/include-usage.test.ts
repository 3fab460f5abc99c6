import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { builtInProviders, type Provider } from '../../core/providers/registry.js'
import { routeOf } from '../../core/providers/routes.js'
import type { Admitted } from '../admit/admit.js'
import type { Call } from '../call.js'
import { askForUsage, askPlain, withIncludeUsage } from './include-usage.js'

const merged = (text: string): string | null => withIncludeUsage(Buffer.from(text))?.toString() ?? null

describe('the option is merged, all other bytes stay', () => {
  test.each([
    ['without options', '{"stream":true}', '{"stream":true,"stream_options":{"include_usage":true}}'],
    [
      'with space and numbers no parser would write again',
      ' {\n "seed": 12345678901234567890, "t":1.0,\n "stream" : true\n}\n',
      ' {\n "seed": 12345678901234567890, "t":1.0,\n "stream" : true\n,"stream_options":{"include_usage":true}}\n',
    ],
    ['options null', '{"stream_options": null ,"stream":true}', '{"stream_options": {"include_usage":true} ,"stream":true}'],
    ['options empty', '{"stream":true,"stream_options":{ }}', '{"stream":true,"stream_options":{ "include_usage":true}}'],
    [
      'options with others',
      '{"stream":true,"stream_options":{"include_obfuscation":false}}',
      '{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}',
    ],
    [
      'an explicit false',
      '{"stream":true,"stream_options":{"include_usage":false,"a":[{}]}}',
      '{"stream":true,"stream_options":{"include_usage":true,"a":[{}]}}',
    ],
    [
      'an explicit null',
      '{"stream":true,"stream_options":{"include_usage" : null}}',
      '{"stream":true,"stream_options":{"include_usage" : true}}',
    ],
    [
      'options written with escapes',
      '{"stream":true,"stream\\u005foptions":{"include\\u005fusage":false}}',
      '{"stream":true,"stream\\u005foptions":{"include\\u005fusage":true}}',
    ],
    [
      'repeated: the last one counts, as for JSON.parse',
      '{"stream_options":{"include_usage":true},"stream":true,"stream_options":{}}',
      '{"stream_options":{"include_usage":true},"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      'the words elsewhere: in texts, lists and deeper objects',
      '{"messages":[{"content":"\\"stream_options\\":{\\"include_usage\\":true}"},"stream_options"],"tools":{"stream_options":null},"stream":true}',
      '{"messages":[{"content":"\\"stream_options\\":{\\"include_usage\\":true}"},"stream_options"],"tools":{"stream_options":null},"stream":true,"stream_options":{"include_usage":true}}',
    ],
  ])('%s', (_, before, after) => {
    expect(merged(before)).toBe(after)
    expect(() => JSON.parse(after) as unknown).not.toThrow()
  })

  test.each([
    ['it asks itself', '{"stream":true,"stream_options":{"include_usage":true}}'],
    ['no stream', '{"stream":false}'],
    ['no word of a stream', '{"model":"m"}'],
    ['the stream is taken back', '{"stream":true,"stream":false}'],
    ['true as a text', '{"stream":"true"}'],
    ['options of another kind', '{"stream":true,"stream_options":[]}'],
    ['a value only the provider can judge', '{"stream":true,"stream_options":{"include_usage":"yes"}}'],
    ['Azure with data of its own', '{"stream":true,"data_sources":[]}'],
    ['the same in the older spelling', '{"dataSources":[],"stream":true}'],
    ['cut', '{"stream":true,"messages":[{"role":'],
    ['something behind it', '{"stream":true} {}'],
    ['a list', '[{"stream":true}]'],
    ['nothing', ''],
  ])('left alone: %s', (_, text) => {
    expect(merged(text)).toBeNull()
  })

  test('any body: the option is in it, all else is equal', () => {
    const options = fc.oneof(fc.constant(undefined), fc.constant(null), fc.dictionary(fc.string(), fc.jsonValue()))
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), options, fc.nat(3), (rest, own, indent) => {
        const body = { ...rest, stream: true, ...(own === undefined ? {} : { stream_options: own }) }
        const before = JSON.parse(JSON.stringify(body)) as typeof body
        const after: unknown = JSON.parse(merged(JSON.stringify(body, null, indent)) ?? 'null')
        expect(after).toEqual({ ...before, stream_options: { ...before.stream_options, include_usage: true } })
      }),
    )
  })
})

describe('who is asked', () => {
  const providerOf = (name: string): Provider => builtInProviders.get(name) as Provider
  const asks = (
    provider: string,
    path: string,
    call: Partial<Pick<Call, 'streamUsage' | 'contentEncoding' | 'headers'>> = {},
    spilled = false,
  ): boolean => {
    const bytes = Buffer.from('{"stream":true}')
    const route = routeOf(providerOf(provider), 'POST', path.split('?', 1)[0] as string, 'openai-chat')
    const admitted = {
      call: { streamUsage: 'auto', contentEncoding: null, headers: [], ...call },
      target: { provider: providerOf(provider), origin: '', path, route },
      body: { length: bytes.length, head: bytes, spilled, open: () => bytes, release: () => undefined },
    } as unknown as Admitted
    return askForUsage(admitted)?.open().toString().includes('include_usage') ?? false
  }
  const chat = '/v1/chat/completions'

  test('chats and completions, not Responses or embeddings', () => {
    expect(asks('openai', chat)).toBe(true)
    expect(asks('vllm', '/v1/completions')).toBe(true)
    expect(asks('openai', '/v1/responses')).toBe(false)
    expect(asks('openai', '/v1/embeddings')).toBe(false)
  })

  test.each([
    ['/openai/v1/chat/completions', true],
    ['/openai/v1/chat/completions?api-version=preview', true],
    ['/openai/deployments/d/chat/completions?api-version=2024-09-01-preview', true],
    ['/openai/deployments/d/chat/completions?a=b&api-version=2024-10-21', true],
    ['/openai/deployments/d/chat/completions?api-version=2025-01-01-preview', true],
    ['/openai/deployments/d/chat/completions?api-version=2024-08-01-preview', false],
    ['/openai/deployments/d/chat/completions?api-version=2023-05-15', false],
    ['/openai/deployments/d/chat/completions?api-version=latest', false],
    ['/openai/deployments/d/chat/completions', false],
  ])('azure: %s', (path, expected) => {
    expect(asks('azure', path)).toBe(expected)
  })

  test('pass asks, off does not', () => {
    expect(asks('openai', chat, { streamUsage: 'pass' })).toBe(true)
    expect(asks('openai', chat, { streamUsage: 'off' })).toBe(false)
  })

  test('never a body that is encoded, in a file, or vouched for by a header', () => {
    expect(asks('openai', chat, { contentEncoding: 'gzip' })).toBe(false)
    expect(asks('openai', chat, { contentEncoding: 'identity' })).toBe(true)
    expect(asks('openai', chat, {}, true)).toBe(false)
    for (const name of [
      'Content-MD5',
      'digest',
      'Content-Digest',
      'Repr-Digest',
      'Signature',
      'signature-input',
      'x-amz-content-sha256',
    ])
      expect(asks('openai', chat, { headers: ['accept', '*/*', name, 'x'] }), name).toBe(false)
  })

  test('by config and table: the four that are known to take it', () => {
    const flagged = [...builtInProviders.values()].filter(({ injectUsage }) => injectUsage).map(({ name }) => name)
    expect(flagged.sort()).toEqual(['azure', 'openai', 'openrouter', 'vllm'])
  })
})

test('the answer is asked for without a coding, whatever the caller takes', () => {
  expect(askPlain(['accept', 'text/event-stream', 'Accept-Encoding', 'gzip, br', 'x', 'y'])).toEqual([
    'accept',
    'text/event-stream',
    'x',
    'y',
    'accept-encoding',
    'identity',
  ])
})
