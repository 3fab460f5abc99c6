import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tenantId } from '../../../core/tenant.js'
import { cacheKey, type Keyed } from './cache-key.js'

const secret = createSecretKey(Buffer.alloc(32, 7))
const plain = { scope: 'credential', seed: '', ignoreKeys: [] } as const
const call: Keyed = {
  tenant: tenantId('default'),
  weirKey: null,
  userId: null,
  method: 'POST',
  targets: ['openai https://api.openai.com'],
  credentials: [],
  path: '/v1/chat/completions',
  family: 'openai-chat',
  headers: ['content-type', 'application/json', 'authorization', 'Bearer sk-one'],
  passesUsage: false,
  body: Buffer.from('{"model":"gpt-5","messages":[]}'),
}
const key = (more: Partial<Keyed> = {}, asked: Partial<Parameters<typeof cacheKey>[1]> = {}): string =>
  cacheKey(secret, { ...plain, ...asked }, { ...call, ...more })
const headers = (...more: string[]): string[] => [...call.headers, ...more]

describe('different', () => {
  test.each<[string, Partial<Keyed>]>([
    ['tenant', { tenant: tenantId('other') }],
    ['Weir key', { weirKey: 'sk-weir-1' }],
    ['method', { method: 'GET' }],
    ['target', { targets: ['azure https://api.openai.com'] }],
    ['targets', { targets: [...call.targets, 'groq https://api.groq.com'] }],
    ['key of another target', { credentials: ['azure', 'k'] }],
    ['path', { path: '/v1/completions' }],
    ['query', { path: '/v1/chat/completions?a=1' }],
    ['key in the query', { path: '/v1/chat/completions?key=1' }],
    ['family', { family: 'anthropic' }],
    ['provider key', { headers: ['content-type', 'application/json', 'authorization', 'Bearer sk-two'] }],
    ['no provider key', { headers: ['content-type', 'application/json'] }],
    ['a key under another name', { headers: headers('xi-api-key', 'k') }],
    ['cookie', { headers: headers('Cookie', 'a=b') }],
    ['accept', { headers: headers('accept', 'text/event-stream') }],
    ['accept-encoding', { headers: headers('accept-encoding', 'gzip') }],
    ['content-type', { headers: ['content-type', 'text/plain', 'authorization', 'Bearer sk-one'] }],
    ['anthropic-version', { headers: headers('anthropic-version', '2023-06-01') }],
    ['anthropic-beta', { headers: headers('anthropic-beta', 'x') }],
    ['openai-beta', { headers: headers('openai-beta', 'x') }],
    ['openai-organization', { headers: headers('openai-organization', 'x') }],
    ['openai-project', { headers: headers('openai-project', 'x') }],
    ['usage shown', { passesUsage: true }],
    ['body', { body: Buffer.from('{"model":"gpt-5","messages":[],"n":1}') }],
    ['number', { body: Buffer.from('{"model":"gpt-5","messages":[],"n":1.0}') }],
    ['body of bytes', { body: Buffer.from('xyz') }],
    ['no body', { body: Buffer.alloc(0) }],
  ])('%s', (_, more) => expect(key(more)).not.toBe(key()))

  test('seed, scope, and among users the user', () => {
    expect(key({}, { seed: 'a' })).not.toBe(key())
    expect(key({}, { scope: 'tenant' })).not.toBe(key())
    expect(key({ userId: 'ada' }, { scope: 'user' })).not.toBe(key({ userId: 'bob' }, { scope: 'user' }))
    expect(key({ userId: 'ada' })).toBe(key({ userId: 'bob' }))
  })

  test('what stands in one part never looks like another', () => {
    expect(key({ path: '/a', method: 'POST/b' })).not.toBe(key({ path: '/b/a', method: 'POST' }))
    expect(key({}, { seed: 'a"]' })).not.toBe(key({}, { seed: 'a\\"]' }))
    // Raw bytes that are what another body is written as.
    expect(key({ body: Buffer.from('{"a":1,"a":1}') })).not.toBe(key({ body: Buffer.from('{"a":1}') }))
  })

  test('another installation', () => expect(cacheKey(createSecretKey(Buffer.alloc(32, 8)), plain, call)).not.toBe(key()))
})

describe('the same', () => {
  test.each<[string, Partial<Keyed>]>([
    ['order of keys', { body: Buffer.from('{ "messages": [], "model": "gpt-\\u0035" }') }],
    ['case of header names', { headers: ['Authorization', 'Bearer sk-one', 'Content-Type', 'application/json'] }],
    ['headers that decide nothing', { headers: headers('user-agent', 'x', 'x-stainless-retry-count', '2', 'traceparent', '00') }],
  ])('%s', (_, more) => expect(key(more)).toBe(key()))

  test('order of the query and of codings; several lines are one', () => {
    expect(key({ path: '/a?b=1&a=2' })).toBe(key({ path: '/a?a=2&b=1' }))
    expect(key({ headers: headers('accept-encoding', 'gzip, br') })).toBe(key({ headers: headers('accept-encoding', 'BR,gzip') }))
    expect(key({ headers: headers('anthropic-beta', 'a', 'anthropic-beta', 'b') })).toBe(
      key({ headers: headers('anthropic-beta', 'a, b') }),
    )
  })

  test('a whole tenant, whatever the keys', () => {
    const all = { scope: 'tenant' } as const
    expect(key({ weirKey: 'a', headers: ['content-type', 'application/json'], path: `${call.path}?key=1` }, all)).toBe(
      key({ path: `${call.path}` }, all),
    )
  })
})

test('two tenants, of all scopes, routes and keys they might send: not one key in common', () => {
  const routes = ['/v1/chat/completions', '/v1/messages', '/v1beta/models/m:generateContent?key=k', '/v1/embeddings']
  const odd = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('acme', 'beta', 'acme","beta', '"]', '\u0000'))
  const side = fc.record({
    weirKey: fc.option(odd),
    userId: fc.option(odd),
    path: fc.constantFrom(...routes),
    authorization: odd,
    stream: fc.boolean(),
    scope: fc.constantFrom('credential' as const, 'user' as const, 'tenant' as const),
    seed: odd,
  })
  const seen = new Map<string, string>()
  let tries = 0
  fc.assert(
    fc.property(side, (one) => {
      for (const tenant of ['acme', 'beta'] as const) {
        const { scope, seed, authorization, stream, ...rest } = one
        const made = key(
          {
            ...rest,
            tenant: tenantId(tenant),
            headers: ['authorization', authorization],
            body: Buffer.from(JSON.stringify({ model: 'm', stream })),
          },
          { scope, seed },
        )
        // What may share, by the rules, spelled out.
        const shares = JSON.stringify([
          tenant,
          scope,
          scope === 'tenant' ? [] : [rest.weirKey, authorization, rest.path.includes('key=')],
          scope === 'user' ? rest.userId : null,
          rest.path.replace('?key=k', ''),
          stream,
          seed,
        ])
        expect(seen.get(made) ?? shares).toBe(shares)
        seen.set(made, shares)
        tries++
      }
    }),
    { numRuns: 10_000 },
  )
  expect(tries).toBe(20_000)
  expect(new Set(seen.values()).size).toBe(seen.size)
})
