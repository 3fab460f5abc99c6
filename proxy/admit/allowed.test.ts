import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { builtInProviders, type Provider } from '../../core/providers/registry.js'
import { post, startTestProxy, type Got, type TestProxy } from '../obtain/cache/testing.js'
import { denialOf } from './allowed.js'

// What a Weir key may be used for: the rule, and through a running proxy.

const providerOf = (name: string): Provider => {
  const found = builtInProviders.get(name)
  if (found === undefined) throw new Error(`No ${name}.`)
  return found
}

test.each([
  [['openai'], null, 'openai', 'm', true],
  [['oai'], null, 'openai', 'm', true],
  [['google'], null, 'gemini', 'm', true],
  [['openai'], null, 'anthropic', 'm', false],
  [['openai'], null, 'openai', null, true],
  [null, ['gpt-5*'], 'openai', 'gpt-5-mini', true],
  [null, ['gpt-5*'], 'openai', 'o3', false],
  [null, ['gpt-5'], 'openai', 'gpt-5-mini', false],
  [null, ['*mini'], 'openai', 'gpt-5-mini', true],
  [null, ['*mini'], 'openai', 'gpt-5-mini-2', false],
  [null, ['g*5*i'], 'openai', 'gpt-5-mini', true],
  [null, ['openai/*'], 'openai', 'gpt-5', true],
  [null, ['openai/*'], 'groq', 'gpt-5', false],
  [null, ['*/groq'], 'groq', 'm', true],
  // The name of a model does not make its provider.
  [null, ['openai/*'], 'openrouter', 'openai/gpt-5', true],
  [['openai'], ['*'], 'openrouter', 'openai/gpt-5', false],
  [null, ['gpt-5*'], 'openai', null, false],
  [['openai'], ['gpt-5*'], 'groq', 'gpt-5', false],
] as const)('providers %j, models %j: %s, %s: %s', (providers, models, provider, model, isAllowed) =>
  expect(denialOf({ providers, models }, { provider: providerOf(provider), model, alias: null }) === null).toBe(isAllowed),
)

interface Scene {
  readonly a: FakeProvider
  readonly b: FakeProvider
  readonly proxy: TestProxy
  ask(model: string, headers?: Record<string, string>, path?: string, rest?: object): Promise<Got>
}

const open = async (allow: string): Promise<Scene> => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  for (const fake of [a, b]) onTestFinished(() => fake.close())
  const sha256 = createHash('sha256').update('sk-weir-team').digest('hex')
  const proxy = await startTestProxy(a.origin, {
    random: () => 0,
    providers: `  openai: { origin: "${a.origin}", key: of-openai }
  anthropic: { origin: "${a.origin}", key: of-anthropic }
  groq: { origin: "${b.origin}", key: of-groq }
`,
    yaml: `auth: required
keys: [{ name: search-team, sha256: "${sha256}", allow: ${allow} }]
targets:
  eu: { provider: groq, model: of-eu }
  any: { provider: groq }
`,
  })
  return {
    a,
    b,
    proxy,
    ask: (model, headers = {}, path = '/v1/chat/completions', rest = {}) =>
      post(proxy.port, {
        path,
        headers: { authorization: 'Bearer sk-weir-team', ...headers },
        body: JSON.stringify({ model, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], ...rest }),
      }),
  }
}

const provider = '/openai/v1/chat/completions'

test.each([
  ['{ providers: [openai] }', 'anthropic/m', '/v1/chat/completions', {}, 'may not call anthropic; its providers are openai.'],
  ['{ providers: [groq] }', 'gpt-5', provider, {}, 'may not call openai; its providers are groq.'],
  ['{ models: ["gpt-5*"] }', 'openai/o3', '/v1/chat/completions', {}, 'may not use the model o3; its models are gpt-5*.'],
  ['{ models: ["gpt-5*"] }', 'o3', provider, {}, 'may not use the model o3; its models are gpt-5*.'],
  ['{ models: ["gpt-5*"] }', 'gpt-5, o3, !openai', '/v1/chat/completions', {}, null],
  ['{ models: ["gpt-5*"] }', '@eu', '/v1/chat/completions', {}, 'may not use the model of-eu'],
  ['{ models: ["gpt-5*"] }', 'o3', provider, { 'content-encoding': 'gzip' }, 'cannot be read from it'],
  [
    '{ models: ["gpt-5*"] }',
    'gpt-5',
    provider,
    { 'Weir-Fallbacks': '[{"target":"groq/o3"},{"target":"openai"}]' },
    'may not use the model o3',
  ],
  [
    '{ models: ["gpt-5*"] }',
    'gpt-5',
    provider,
    { 'Weir-Fallbacks': '[{"target":"openai/gpt-5","bodyKeyOverride":{"model":"o3"}}]' },
    'may not use the model o3',
  ],
  ['{ models: ["gpt-5*"] }', 'o3', provider, { 'Weir-Model-Override': 'gpt-5' }, 'may not use the model o3'],
])('%s: %s on %s %j: 403, nothing is sent', async (allow, model, path, headers, message) => {
  const { a, b, ask, proxy } = await open(allow)
  const got = await ask(model, headers as Record<string, string>, path)
  expect([a.total(), b.total()]).toEqual([0, 0])
  if (message === null) return void expect(got.headers['weir-error']).toBe('unknown_model')
  expect([got.status, got.headers['weir-error']]).toEqual([403, 'policy_denied'])
  expect(got.bytes.toString()).toContain(`The key \\"search-team\\" `)
  expect(got.bytes.toString()).toContain(message)
  expect(await proxy.end(got.id)).toMatchObject({ outcome: 'refused', error: { code: 'policy_denied', kind: 'policy' } })
})

test('later targets are passed over, and what may be asked is', async () => {
  const { a, b, ask } = await open('{ models: ["gpt-5*", "of-eu"] }')
  a.plan('status=500', 'status=500')
  const got = await ask('openai/gpt-5, groq/llama, @eu')
  expect([got.status, got.headers['weir-fallback-index'], a.total(), b.total()]).toEqual([200, '2', 1, 1])
  expect(got.headers['weir-attempts']).toMatch(/^"groq\/llama";skipped=denied, "openai\/gpt-5";status=500.*, "@eu";status=200/)
  const denied = await ask('gpt-5', { 'Weir-Fallback': 'groq/llama, anthropic/o3' }, provider)
  expect([denied.status, denied.headers['weir-attempts']]).toEqual([
    500,
    expect.stringMatching(/^"groq\/llama";skipped=denied, "anthropic\/o3";skipped=denied, "openai\/gpt-5";status=500/),
  ])
  expect([a.total(), b.total()]).toEqual([2, 1])
})

test('a pattern may name a target of weir.yaml whose model stands there', async () => {
  const { b, ask } = await open('{ models: ["@*"] }')
  expect((await ask('@eu')).status).toBe(200)
  // Its model is the caller's choice.
  expect((await ask('gpt-5', { 'Weir-Fallbacks': '[{"target":"@any"}]' }, provider)).status).toBe(403)
  const overridden = '[{"target":"@eu","bodyKeyOverride":{"model":"o3"}}]'
  expect((await ask('gpt-5', { 'Weir-Fallbacks': overridden }, provider)).status).toBe(403)
  expect(b.seen.map(({ body }) => (JSON.parse(body) as { model: string }).model)).toEqual(['of-eu'])
})

test('the last of two models in a body is the one that counts', async () => {
  const { a, proxy } = await open('{ models: ["gpt-5*"] }')
  const got = await post(proxy.port, {
    path: provider,
    headers: { authorization: 'Bearer sk-weir-team' },
    body: '{"model":"gpt-5","messages":[],"model":"o3"}',
  })
  expect([got.status, a.total()]).toEqual([403, 0])
})

test('an answer in the cache is not for who may not ask for it', async () => {
  const { a, ask } = await open('{ models: ["gpt-5*"] }')
  const headers = { 'Weir-Cache-Enabled': 'true' }
  expect((await ask('gpt-5', headers, provider)).headers['weir-cache']).toBe('MISS')
  expect((await ask('gpt-5', headers, provider)).headers['weir-cache']).toBe('HIT')
  expect((await ask('o3', headers, provider)).status).toBe(403)
  expect(a.total()).toBe(1)
})

test('what is relayed, read without a model, or listed is held to providers; a list of models to both', async () => {
  const { a, b, proxy } = await open('{ providers: [openai], models: ["gpt-4o*"] }')
  const get = (path: string): Promise<{ status: number; text: string }> =>
    new Promise((resolve) => {
      const headers = { authorization: 'Bearer sk-weir-team' }
      request({ port: proxy.port, host: '127.0.0.1', path, headers, agent: false }, (res) => {
        let text = ''
        res
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => resolve({ status: res.statusCode ?? 0, text }))
      }).end()
    })
  expect((await get('/openai/v1/files')).status).toBe(200)
  expect((await get('/openai/v1/batches/b1')).status).not.toBe(403)
  expect((await get('/groq/v1/files')).status).toBe(403)
  expect(b.total()).toBe(0)
  const { data } = JSON.parse((await get('/v1/models')).text) as { data: { id: string }[] }
  expect(data.length).toBeGreaterThan(0)
  expect(data.every(({ id }) => id.startsWith('openai/gpt-4o'))).toBe(true)
  expect([b.total(), a.seen.at(-1)?.path]).toEqual([0, '/v1/models'])
})

/** Asks for a WebSocket; the status of the answer. */
const upgrade = (port: number, path: string, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const asking = request({
      port,
      host: '127.0.0.1',
      path,
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        ...headers,
      },
    })
    asking.on('upgrade', (_, socket) => {
      socket.destroy()
      resolve(101)
    })
    asking.on('response', (res) => {
      res.resume()
      resolve(res.statusCode ?? 0)
    })
    asking.on('error', reject)
    asking.end()
  })

test('a session is held to models, too, and let in with the key of weir.yaml', async () => {
  const { a, b, proxy } = await open('{ providers: [openai], models: ["gpt-realtime*"] }')
  const headers = { authorization: 'Bearer sk-weir-team' }
  expect(await upgrade(proxy.port, '/openai/v1/realtime?model=gpt-4o-realtime', headers)).toBe(403)
  // Its model would come later.
  expect(await upgrade(proxy.port, '/openai/v1/realtime', headers)).toBe(403)
  expect(await upgrade(proxy.port, '/groq/v1/realtime?model=gpt-realtime', headers)).toBe(403)
  expect([a.total(), b.total()]).toEqual([0, 0])
  expect(await upgrade(proxy.port, '/openai/v1/realtime?model=gpt-realtime', headers)).toBe(101)
  expect(a.seen[0]?.headers.authorization).toBe('Bearer of-openai')
})
