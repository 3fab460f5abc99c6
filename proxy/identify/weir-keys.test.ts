import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import type { Exchange } from '../../core/exchange.js'
import { keyDigest } from '../../core/weir-keys.js'
import { post, startTestProxy, type Got, type Sent, type TestProxy } from '../obtain/cache/testing.js'

// Weir keys at a running proxy (headers.md §2.4, config.md): who may call, for whom the row is, what is apart.

const body = JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'Hi' }] })
const keys = {
  acme: 'key-of-acme',
  beta: 'sk-weir-beta',
  second: 'key-of-acme-2',
  old: 'key-that-expired',
  grafana: 'key-for-sql',
}
const secret = 'admin-secret-of-at-least-32-characters'

const yaml = (auth: 'open' | 'required', more = ''): string => `auth: ${auth}
keys:
  - { name: acme, sha256: ${keyDigest(keys.acme)}, tenant: acme }
  - { name: second, sha256: ${keyDigest(keys.second)}, tenant: acme }
  - { name: beta, sha256: ${keyDigest(keys.beta)}, tenant: beta }
  - { name: old, sha256: ${keyDigest(keys.old)}, tenant: acme, expires: 2020-01-01 }
  - { name: grafana, sha256: ${keyDigest(keys.grafana)}, tenant: acme, scopes: [sql] }
${more}`

interface Scene {
  readonly fake: FakeProvider
  readonly proxy: TestProxy
  /** @param key Sent as Weir-Auth; `null` = none. */
  ask(key: string | null, headers?: Record<string, string>, more?: Partial<Sent>): Promise<Got>
}

const open = async (text: string, env: Record<string, string> = {}): Promise<Scene> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const proxy = await startTestProxy(fake.origin, { yaml: text, env, random: () => 0 })
  return {
    fake,
    proxy,
    ask: (key, headers = {}, more = {}) =>
      post(proxy.port, { body, ...more, headers: { ...(key === null ? {} : { 'Weir-Auth': `Bearer ${key}` }), ...headers } }),
  }
}

const codeOf = ({ bytes }: Got): string => (JSON.parse(bytes.toString()) as { error: { code: string } }).error.code
const ownerOf = ({ tenant, identity, outcome }: Exchange): readonly string[] => [tenant, identity.keyId, outcome]

describe('auth: required', () => {
  test('each refusal: status, code, text, where it is said; nothing goes upstream; one row', async () => {
    const { fake, proxy, ask } = await open(yaml('required'))
    const how = 'Send it as "Weir-Auth: Bearer <key>", or where the key of the provider goes.'
    for (const [key, code, owner, message] of [
      [
        null,
        'auth_missing',
        ['default', ''],
        `No Weir key came with the call, and none goes without (auth: required). ${how} \`weir key new NAME\` makes one.`,
      ],
      [
        'key-of-nobody',
        'auth_invalid',
        ['default', ''],
        `The Weir key that came is not known here: mistyped, taken back, or of another Weir. ${how}`,
      ],
      [keys.old, 'auth_invalid', ['acme', 'old'], `The Weir key "old" has expired. Use a new one. ${how}`],
      [
        keys.grafana,
        'auth_invalid',
        ['acme', 'grafana'],
        `The Weir key "grafana" is not for calls: it lacks the scope proxy. Use one that has it. ${how}`,
      ],
    ] as const) {
      const got = await ask(key, key === null ? { authorization: '' } : {})
      expect(JSON.parse(got.bytes.toString())).toEqual({
        error: { message, type: 'authentication_error', param: 'Weir-Auth', code },
      })
      expect([got.status, got.headers['weir-error'], got.headers['x-should-retry']]).toEqual([401, code, 'false'])
      const row = await proxy.end(got.id)
      expect([row.tenant, row.outcome, row.status, row.error?.kind, row.error?.code]).toEqual([
        owner[0],
        'refused',
        401,
        'auth',
        code,
      ])
      if (owner[1] !== '') expect(row.identity.keyId).toBe(owner[1])
      expect([row.provider, row.endpoint]).toEqual(['openai', 'POST /openai/v1/chat/completions'])
      expect(JSON.stringify([row, got.headers])).not.toMatch(/key-/)
    }
    expect(fake.total()).toBe(0)
    expect(proxy.records).toHaveLength(4)
  })

  test.each([
    ['/anthropic/v1/messages', { type: 'error', error: { type: 'authentication_error', code: 'auth_missing' } }],
    [
      '/gemini/v1beta/models/g:generateContent',
      { error: { code: 401, status: 'UNAUTHENTICATED', details: [{ reason: 'AUTH_MISSING' }] } },
    ],
    ['/bedrock/us-east-1/model/m/converse', { code: 'auth_missing' }],
    ['/v1/chat/completions', { error: { code: 'auth_missing' } }],
    ['/openai/v1/files', { error: { code: 'auth_missing' } }],
    ['/openai/nothing/here', { error: { code: 'auth_missing' } }],
    ['/gateway/x', { error: { code: 'auth_missing' } }],
  ])('in the form of the path: %s', async (path, form) => {
    const { proxy, fake, ask } = await open(yaml('required'))
    const got = await ask(null, {}, { path })
    expect([got.status, JSON.parse(got.bytes.toString())]).toMatchObject([401, form])
    expect(ownerOf(await proxy.end(got.id))).toMatchObject(['default', expect.any(String), 'refused'])
    expect(fake.total()).toBe(0)
  })

  test('a path that is nobody’s stays one, without a row', async () => {
    const { proxy, ask } = await open(yaml('required'))
    expect((await ask(null, {}, { path: '/nothing' })).status).toBe(404)
    expect(proxy.records).toEqual([])
  })

  test('whoever may not call is told that alone, whatever else is wrong', async () => {
    const { ask, proxy } = await open(yaml('required', 'configs: { secret-plans: { Retry-Num: 3 } }\n'))
    const headers = { 'Weir-Config': 'x', 'Weir-Nonsense': '1', 'Weir-Hop': '9', 'Weir-User-Id': 'ada' }
    const got = await ask('key-of-nobody', headers)
    expect([codeOf(got), got.bytes.includes('secret-plans')]).toEqual(['auth_invalid', false])
    expect((await proxy.end(got.id)).identity.userId).toBeNull()
    const known = await ask(keys.acme, headers)
    expect([known.status, ...ownerOf(await proxy.end(known.id))]).toEqual([400, 'acme', 'acme', 'refused'])
  })

  test('an echo tells it nothing else, either', async () => {
    const { ask, proxy } = await open(yaml('required', 'defaults: { Retry-Num: 3 }\n'))
    const got = await ask(null, {}, { path: '/weir/test/openai/v1/chat/completions' })
    expect([got.status, JSON.parse(got.bytes.toString())]).toMatchObject([
      401,
      { caller: null, route: null, targets: [], headers: {}, steering: null, error: { code: 'auth_missing' } },
    ])
    const may = await ask(keys.acme, {}, { path: '/weir/test/openai/v1/chat/completions' })
    expect([may.status, JSON.parse(may.bytes.toString())]).toMatchObject([
      200,
      { caller: { tenant: 'acme', key: 'acme' }, error: null },
    ])
    expect(proxy.records).toEqual([])
  })

  test('the health of the proxy is nobody’s secret', async () => {
    const { proxy } = await open(yaml('required'))
    for (const path of ['/healthz', '/readyz']) expect((await fetch(`http://127.0.0.1:${proxy.port}${path}`)).status).toBe(200)
  })

  test('an upgrade goes through the same door, and leaves its row', async () => {
    const { proxy, fake } = await open(yaml('required'))
    const head = await new Promise<string>((resolve, reject) => {
      const socket = connect(proxy.port, '127.0.0.1', () =>
        socket.write(
          `GET /openai/v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nWeir-Auth: Bearer ${keys.old}\r\n\r\n`,
        ),
      )
      let text = ''
      socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      socket.on('end', () => resolve(text)).on('error', reject)
    })
    expect(head).toMatch(/^HTTP\/1\.1 401 .*weir-error: auth_invalid.*The Weir key \\"old\\" has expired/s)
    expect(fake.total()).toBe(0)
    await expect.poll(() => proxy.records.map(({ exchange }) => ownerOf(exchange))).toEqual([['acme', 'old', 'refused']])
  })

  test('what is relayed unread, too: refused without a key, and with one it goes on without it', async () => {
    const { proxy, fake, ask } = await open(yaml('required'))
    const path = '/openai/v1/files'
    expect((await ask(null, {}, { path })).status).toBe(401)
    const got = await ask(null, { authorization: `Bearer sk-one, Bearer ${keys.acme}` }, { path })
    expect(got.status).toBe(200)
    expect(ownerOf(await proxy.end(got.id))).toEqual(['acme', 'acme', 'complete'])
    expect(fake.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-one'])
  })

  test('the admin secret is a key for everything', async () => {
    const { proxy, ask } = await open(yaml('required'), { WEIR_ADMIN_SECRET: secret })
    const got = await ask(null, { authorization: `Bearer ${secret}` })
    expect([got.status, ...ownerOf(await proxy.end(got.id))]).toEqual([200, 'default', '@admin', 'complete'])
  })
})

describe('auth: open', () => {
  test('a listed key is its name and its tenant; another one its fingerprint; none is none', async () => {
    const { proxy, ask } = await open(yaml('open'))
    const owner = async (key: string | null, headers: Record<string, string> = {}) => {
      const got = await ask(key, headers)
      expect(got.status).toBe(200)
      const row = await proxy.end(got.id)
      expect(JSON.stringify(row)).not.toMatch(/key-of-|sk-weir-|sk-one/)
      return [row.tenant, row.identity.keyId]
    }
    expect(await owner(keys.beta)).toEqual(['beta', 'beta'])
    expect(await owner('key-of-nobody')).toEqual(['default', expect.stringMatching(/^weir-[0-9a-f]{12}$/)])
    expect(await owner(null)).toEqual(['default', expect.stringMatching(/^[0-9a-f]{12}$/)])
    expect(await owner(null, { authorization: '' })).toEqual(['default', ''])
  })
})

test.each([
  ['Weir-Auth', { 'Weir-Auth': `Bearer ${keys.acme}` }, ''],
  ['Helicone-Auth', { 'Helicone-Auth': `Bearer ${keys.acme}` }, ''],
  ['Authorization', { authorization: `Bearer ${keys.acme}` }, ''],
  ['Authorization, behind a provider’s', { authorization: `Bearer sk-one, Bearer ${keys.acme}` }, ''],
  ['x-api-key', { authorization: '', 'x-api-key': keys.acme }, ''],
  ['api-key', { authorization: '', 'api-key': keys.acme }, ''],
  ['x-goog-api-key', { authorization: '', 'x-goog-api-key': keys.acme }, ''],
  ['the query', { authorization: '' }, `?key=${keys.acme}`],
])('a listed key by way of %s is taken, sent to nobody and stored nowhere', async (_, headers, query) => {
  const { proxy, fake, ask } = await open(yaml('required'))
  const got = await ask(null, headers, { path: `/openai/v1/chat/completions${query}` })
  expect([got.status, ...ownerOf(await proxy.end(got.id))]).toEqual([200, 'acme', 'acme', 'complete'])
  expect(JSON.stringify(fake.seen)).not.toContain(keys.acme)
  expect(JSON.stringify(proxy.records)).not.toContain(keys.acme)
  expect(JSON.stringify([got.headers, got.bytes.toString()])).not.toContain(keys.acme)
})

test('case 11: a key before the path: the provider sees /v1/..., the key is in no store', async () => {
  const { proxy, fake, ask } = await open(`auth: required\nkeys: [{ name: path, sha256: ${keyDigest('sk-helicone-k')} }]\n`)
  const got = await ask(null, {}, { path: '/sk-helicone-k/openai/v1/chat/completions?a=1' })
  expect([got.status, fake.seen[0]?.path]).toEqual([200, '/v1/chat/completions?a=1'])
  const row = await proxy.end(got.id)
  expect([row.identity.keyId, row.endpoint]).toEqual(['path', 'POST /openai/v1/chat/completions'])
  expect(JSON.stringify([fake.seen, proxy.records])).not.toContain('sk-helicone-k')
})

test('case 12: a key of another provider than the model’s: 401 credential_mismatch, no call', async () => {
  const { proxy, fake, ask } = await open(yaml('required'))
  const unified = { path: '/v1/chat/completions', body: body.replace('gpt-5', 'anthropic/m') }
  for (const authorization of ['Bearer sk-proj-1', `Bearer sk-proj-1, Bearer ${keys.acme}`]) {
    const got = await ask(keys.acme, { authorization }, unified)
    expect([got.status, codeOf(got)]).toEqual([401, 'credential_mismatch'])
    expect(ownerOf(await proxy.end(got.id))).toEqual(['acme', 'acme', 'refused'])
  }
  expect(fake.total()).toBe(0)
})

test('case 43: cache; other tenant; other key: MISS, MISS, and each its own HIT', async () => {
  const { proxy, ask } = await open(yaml('required'))
  const cacheOf = async (key: string): Promise<unknown> => {
    const got = await ask(key, { 'Weir-Cache-Enabled': 'true' })
    await proxy.end(got.id)
    return got.headers['weir-cache']
  }
  for (const expected of ['MISS', 'HIT'])
    expect([await cacheOf(keys.acme), await cacheOf(keys.beta), await cacheOf(keys.second)]).toEqual([
      expected,
      expected,
      expected,
    ])
})

test('a cache that a whole tenant shares ends with the tenant', async () => {
  const { proxy, ask } = await open(yaml('required', 'cache: { shared: true }\n'))
  const cacheOf = async (key: string): Promise<unknown> => {
    const got = await ask(key, { 'Weir-Cache-Enabled': 'true', 'Weir-Cache-Scope': 'tenant' })
    await proxy.end(got.id)
    return got.headers['weir-cache']
  }
  expect([await cacheOf(keys.acme), await cacheOf(keys.second), await cacheOf(keys.beta)]).toEqual(['MISS', 'HIT', 'MISS'])
})

describe('limits', () => {
  test.each([
    ['of the operator, for a whole tenant', 'limits: { policies: [{ policy: "2;w=3600" }] }\n', {}],
    ['of the operator, by user', 'limits: { policies: [{ policy: "2;w=3600;s=user" }] }\n', {}],
    ['of the call', '', { 'Weir-RateLimit-Policy': '2;w=3600' }],
    ['of the call, by user', '', { 'Weir-RateLimit-Policy': '2;w=3600;s=user' }],
  ])('%s: a tenant’s bucket is no other’s, though user and policy are the same', async (_, limits, asked) => {
    const { ask } = await open(yaml('required', limits))
    const statuses = async (key: string): Promise<number[]> => {
      const all: number[] = []
      for (let i = 0; i < 3; i++) all.push((await ask(key, { 'Weir-User-Id': 'ada', ...asked })).status)
      return all
    }
    expect(await statuses(keys.acme)).toEqual([200, 200, 429])
    expect((await ask(keys.second, { 'Weir-User-Id': 'ada', ...asked })).status).toBe(429)
    expect(await statuses(keys.beta)).toEqual([200, 200, 429])
  })

  test('a policy is for the keys it names, * for all', async () => {
    const { ask } = await open(
      yaml(
        'required',
        'limits: { policies: [{ policy: "1;w=3600;s=@key", keys: [acme] }, { policy: "2;w=3600;s=@key", keys: ["*"] }] }\n',
      ),
    )
    const statuses = async (key: string): Promise<number[]> => {
      const all: number[] = []
      for (let i = 0; i < 3; i++) all.push((await ask(key)).status)
      return all
    }
    expect(await statuses(keys.acme)).toEqual([200, 429, 429])
    expect(await statuses(keys.second)).toEqual([200, 200, 429])
  })
})

test('a circuit that calls of one tenant opened stands open for it alone', async () => {
  const { fake, ask } = await open(yaml('required'))
  const failing = { 'Weir-Fallback': 'anthropic/claude-sonnet-4-6', 'Weir-Anthropic-Key': 'k' }
  fake.plan(...Array.from({ length: 5 }, () => ['status=500', '']).flat())
  for (let i = 0; i < 5; i++) expect((await ask(keys.acme, failing)).status).toBe(200)
  expect((await ask(keys.acme, failing)).headers['weir-attempts']).toContain('skipped=circuit_open')
  expect((await ask(keys.beta, failing)).headers['weir-attempts'] ?? '').not.toContain('circuit_open')
})

describe('a weir.yaml read anew', () => {
  test('a key whose line is gone is refused from the next call on, one that is new is taken; no restart', async () => {
    const { proxy, ask } = await open(yaml('required'))
    expect((await ask(keys.acme)).status).toBe(200)
    proxy.reload(`auth: required\nkeys: [{ name: new, sha256: ${keyDigest('new-key')}, tenant: acme }]\n`)
    expect(codeOf(await ask(keys.acme))).toBe('auth_invalid')
    const got = await ask('new-key')
    expect([got.status, ...ownerOf(await proxy.end(got.id))]).toEqual([200, 'acme', 'new', 'complete'])
  })

  test('a call under way ends as it began', async () => {
    const { proxy, ask, fake } = await open(yaml('required'))
    const slow = ask(keys.acme, { 'x-fake': 'delay=300' })
    await expect.poll(() => fake.total()).toBe(1)
    proxy.reload('auth: required\n')
    const got = await slow
    expect([got.status, ...ownerOf(await proxy.end(got.id))]).toEqual([200, 'acme', 'acme', 'complete'])
  })
})

test('the rows of two tenants are apart, whatever becomes of their calls', async () => {
  const { proxy, ask } = await open(yaml('required'))
  const asks: readonly (readonly [Record<string, string>, Partial<Sent>])[] = [
    [{}, {}],
    [{ 'Weir-Retry-Num': 'x' }, {}],
    [{ 'Weir-Hop': '3' }, {}],
    [{ authorization: 'AWS4-HMAC-SHA256 Credential=x, SignedHeaders=y' }, {}],
    [{ 'Weir-Target-URL': 'http://169.254.169.254' }, {}],
    [{}, { path: '/openai/nothing' }],
    [{}, { path: '/v1/chat/completions', body: '{}' }],
    [{}, { path: '/gateway/x' }],
    [{ 'Weir-RateLimit-Policy': '0;w=1' }, {}],
    [{ 'x-fake': 'status=500' }, {}],
    [{ 'x-fake': 'reset' }, {}],
    [{}, { path: '/openai/v1/files' }],
  ]
  for (const tenant of ['acme', 'beta'] as const)
    for (const [headers, more] of asks) {
      const got = await ask(keys[tenant], headers, more)
      const row = await proxy.end(got.id)
      expect([row.tenant, row.identity.keyId], JSON.stringify([headers, more])).toEqual([tenant, tenant])
    }
  for (const tenant of ['acme', 'beta'])
    expect(proxy.records.filter(({ type, exchange }) => type === 'end' && exchange.tenant === tenant)).toHaveLength(asks.length)
  // The start of a call is its tenant's, too.
  expect(new Set(proxy.records.map(({ exchange }) => exchange.tenant))).toEqual(new Set(['acme', 'beta']))
})

test('a call that must not be expected is refused before it sends its body', async () => {
  const { proxy } = await open(yaml('required'))
  const answer = await new Promise<string>((resolve, reject) => {
    const req = request({
      port: proxy.port,
      method: 'POST',
      path: '/openai/v1/chat/completions',
      headers: { expect: '100-continue', 'content-length': '1000000' },
    })
    req.on('continue', () => reject(new Error('The body was asked for.')))
    req.on('response', (res) => {
      resolve(`${res.statusCode} ${res.headers['weir-error']}`)
      req.destroy()
    })
    req.on('error', () => undefined)
    req.flushHeaders()
  })
  expect(answer).toBe('401 auth_missing')
})
