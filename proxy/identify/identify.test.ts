import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { providersFrom } from '../../core/providers/registry.js'
import type { Call } from '../call.js'
import { guardBy } from '../obtain/guard/guard.js'
import { thisNetwork } from '../obtain/guard/network.js'
import { addressesBy } from './addresses.js'
import { weirKeyring } from '../../core/weir-keys.js'
import { callerBy } from './caller.js'
import { identifyBy } from './identify.js'

const config = {
  ...loadConfig({}, '/nonexistent'),
  providers: { 'my-vllm': { origin: 'http://127.0.0.1:8000', root: '/v1', family: 'openai-chat' as const } },
}
const fingerprint = (key: string): string => `f-${key}`
const providers = providersFrom(config)
const guard = guardBy({ config, providers, network: thisNetwork, ownPorts: new Set([8787]) })
const addresses = addressesBy({ config, providers, guard })
const keys = weirKeyring(config, Date.now)
const caller = callerBy({ config, keys, fingerprint })
const identify = identifyBy({ config, providers, keys, caller, addresses })
const call = (url: string, headers: Record<string, string> = {}, method = 'POST'): Call =>
  identify({ method, url, rawHeaders: Object.entries(headers).flat() } as unknown as IncomingMessage, 'id')
const code = (url: string, headers: Record<string, string> = {}, method = 'POST'): string => {
  try {
    return call(url, headers, method).refused?.code ?? 'none'
  } catch (cause) {
    if (cause instanceof WeirError) return cause.code
    throw cause
  }
}
const header = (of: Call, name: string): string | undefined => {
  const at = of.headers.findIndex((word, i) => i % 2 === 0 && word.toLowerCase() === name)
  return at < 0 ? undefined : of.headers[at + 1]
}

describe('where it goes', () => {
  test.each([
    ['/openai/v1/chat/completions', 'https://api.openai.com/v1/chat/completions', 'llm', 'chat'],
    ['/oai/v1/responses?x=1', 'https://api.openai.com/v1/responses?x=1', 'llm', 'responses'],
    ['/openai/v1/files', 'https://api.openai.com/v1/files', 'relay', ''],
    ['/anthropic/v1/messages', 'https://api.anthropic.com/v1/messages', 'llm', 'messages'],
    [
      '/anthropic/v1/messages/count_tokens?beta=true',
      'https://api.anthropic.com/v1/messages/count_tokens?beta=true',
      'llm',
      'count_tokens',
    ],
    [
      '/gemini/v1beta/models/gemini-2.5-flash:generateContent',
      'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent',
      'llm',
      'generate_content',
    ],
    [
      '/google/v1beta/models/m%3AstreamGenerateContent?alt=sse',
      'https://generativelanguage.googleapis.com/v1beta/models/m%3AstreamGenerateContent?alt=sse',
      'llm',
      'generate_content',
    ],
    ['/groq/v1/chat/completions', 'https://api.groq.com/openai/v1/chat/completions', 'llm', 'chat'],
    ['/groq/openai/v1/chat/completions', 'https://api.groq.com/openai/v1/chat/completions', 'llm', 'chat'],
    ['/perplexity/v1/chat/completions', 'https://api.perplexity.ai/chat/completions', 'llm', 'chat'],
    ['/perplexity/chat/completions', 'https://api.perplexity.ai/chat/completions', 'llm', 'chat'],
    [
      '/azure/acme/openai/deployments/d/chat/completions?api-version=x',
      'https://acme.openai.azure.com/openai/deployments/d/chat/completions?api-version=x',
      'llm',
      'chat',
    ],
    ['/azure/acme/v1/chat/completions', 'https://acme.openai.azure.com/openai/v1/chat/completions', 'llm', 'chat'],
    [
      '/vertex/us-east5/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict',
      'https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict',
      'llm',
      'messages',
    ],
    [
      '/vertex/global/v1/projects/p/locations/l/publishers/google/models/m:generateContent',
      'https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/m:generateContent',
      'llm',
      'generate_content',
    ],
    ['/v1/gateway/oai/v1/chat/completions', 'https://api.openai.com/v1/chat/completions', 'llm', 'chat'],
    ['/v1/gateway/anthropic/v1/messages', 'https://api.anthropic.com/v1/messages', 'llm', 'messages'],
    ['/v1/files', 'https://api.openai.com/v1/files', 'relay', ''],
    ['/my-vllm/v1/embeddings', 'http://127.0.0.1:8000/v1/embeddings', 'llm', 'embeddings'],
  ])('%s', (url, upstream, lane, api) => {
    const { target } = call(url)
    expect(`${target?.origin ?? ''}${target?.path ?? ''}`).toBe(upstream)
    expect([target?.route.lane, target?.route.api]).toEqual([lane, api])
  })

  test('a unified path waits for the body', () => {
    const { target, unifiedPath } = call('/v1/chat/completions?x=1')
    expect([target, unifiedPath]).toEqual([null, '/chat/completions?x=1'])
    expect(call('/ai/chat/completions').unifiedPath).toBe('/chat/completions')
  })

  test.each([
    '/',
    '/x',
    '/opnai/v1/models',
    '/v1/gateway/v1/log',
    '/v1/nothing',
    '/azure/openai/v1/x',
    '/bedrock/EU_1/model/m/converse',
    '/anthropic/x',
    '/openai/v1/../../etc',
    '/openai/%2e%2e/x',
  ])('%s leads nowhere', (url) => expect(code(url)).toBe('unknown_path'))
})

test('a unified path that a body decides about takes POST alone', () => {
  expect(code('/v1/chat/completions', {}, 'GET')).toBe('method_not_allowed')
  expect(code('/ai/embeddings', {}, 'DELETE')).toBe('method_not_allowed')
})

describe('what goes upstream', () => {
  test('everything as sent but what belongs to one connection, to us, or to a trace', () => {
    const sent = call('/openai/v1/chat/completions', {
      Host: 'localhost:8787',
      Connection: 'keep-alive, x-secret-hop',
      'X-Secret-Hop': '1',
      'Keep-Alive': 'timeout=5',
      'Transfer-Encoding': 'chunked',
      TE: 'trailers',
      'Proxy-Authorization': 'Basic x',
      Expect: '100-continue',
      'Content-Length': '2',
      'Weir-User-Id': 'ada',
      'Helicone-Property-X': 'y',
      'aws-secret-key': 'k',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      baggage: 'a=b',
      Authorization: 'Bearer sk-1',
      'X-Stainless-Lang': 'js',
      'Accept-Encoding': 'gzip, snappy, br;q=0.5',
      'X-Custom': 'Zo\u00eb',
    })
    expect(sent.headers).toEqual([
      'Authorization',
      'Bearer sk-1',
      'X-Stainless-Lang',
      'js',
      'Accept-Encoding',
      'gzip, br;q=0.5',
      'X-Custom',
      'Zo\u00eb',
    ])
  })

  test('connection cannot take away a credential or a length', () => {
    expect(
      header(
        call('/openai/v1/chat/completions', { Connection: 'close, authorization', Authorization: 'Bearer sk-1' }),
        'authorization',
      ),
    ).toBe('Bearer sk-1')
  })

  test('a key of ours is split off and never forwarded', () => {
    const both = call('/openai/v1/chat/completions', { Authorization: 'Bearer sk-proj-1, Bearer sk-weir-9' })
    expect([header(both, 'authorization'), both.identity.keyId]).toEqual(['Bearer sk-proj-1', 'weir-f-sk-weir-9'])
    const alone = call('/anthropic/v1/messages', { 'x-api-key': 'sk-helicone-7' })
    expect([header(alone, 'x-api-key'), alone.identity.keyId]).toEqual([undefined, 'weir-f-sk-helicone-7'])
    const inPath = call('/sk-helicone-k/openai/v1/chat/completions?a=1')
    expect([inPath.target?.path, inPath.identity.keyId, inPath.twins]).toEqual([
      '/v1/chat/completions?a=1',
      'weir-f-sk-helicone-k',
      true,
    ])
    expect(inPath.endpoint).not.toContain('sk-helicone')
  })

  test('a credential is in no stored header', () => {
    const names = call('/openai/v1/x', {
      Authorization: 'a',
      'x-api-key': 'b',
      Cookie: 'c',
      'X-My-Token': 'd',
      'Accept-Secret': 'e',
      'User-Agent': 'f',
      'X-Request-Id': 'g',
    }).storedHeaders.map(([name]) => name)
    expect(names).toEqual(['user-agent', 'x-request-id'])
  })

  test('a SigV4 signature cannot pass', () =>
    expect(code('/bedrock/us-east-1/model/m/converse', { Authorization: 'AWS4-HMAC-SHA256 Credential=x' })).toBe(
      'sigv4_unsupported',
    ))
  test('a call that comes round a third time', () => {
    expect(code('/openai/v1/x', { 'Weir-Hop': '3' })).toBe('loop_detected')
    expect(call('/openai/v1/x', { 'Weir-Hop': '2' }).hop).toBe(2)
  })
})

describe('twins of our answer headers', () => {
  test.each([
    [{}, '/openai/v1/x', false],
    [{ 'Helicone-User-Id': 'a' }, '/openai/v1/x', true],
    [{}, '/v1/gateway/oai/v1/models', true],
  ] as const)('%o %s', (headers, url, twins) => expect(call(url, headers).twins).toBe(twins))
})
