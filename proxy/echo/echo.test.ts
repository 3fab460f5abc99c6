import { createHash } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { startTestProxy, type TestProxy } from '../obtain/cache/testing.js'
import { echoedIn } from './echo.js'

interface Said {
  readonly path: string | null
  readonly caller: { readonly tenant: string; readonly key: string | null } | null
  readonly route: { readonly provider: string; readonly family: string; readonly lane: string } | null
  readonly targets: readonly Readonly<Record<string, unknown>>[]
  readonly headers: Readonly<Record<string, { readonly value: string; readonly from: string }>>
  readonly identity: Readonly<Record<string, unknown>> | null
  readonly steering: Readonly<Record<string, unknown>> | null
  readonly warnings: readonly string[]
  readonly error: {
    readonly status: number
    readonly code: string
    readonly message: string
    readonly param: string | null
  } | null
}

const house = async (yaml = ''): Promise<{ fake: FakeProvider; proxy: TestProxy; ask: Ask; status: Status }> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const proxy = await startTestProxy(fake.origin, { yaml })
  const send = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${proxy.port}${path}`, {
      method: 'POST',
      ...init,
      headers: { 'content-type': 'application/json', ...init.headers },
    })
  onTestFinished(() => {
    expect(fake.total()).toBe(0)
    expect(proxy.records).toEqual([])
  })
  return {
    fake,
    proxy,
    ask: async (path, init) => (await (await send(path, init)).json()) as Said,
    status: async (path, init) => (await send(path, init)).status,
  }
}
type Ask = (path: string, init?: RequestInit) => Promise<Said>
type Status = (path: string, init?: RequestInit) => Promise<number>

const chat = (model: string): string => JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] })

describe('which URLs are an echo', () => {
  test.each([
    ['/weir/test', { url: '/', bare: true }],
    ['/weir/test/', { url: '/', bare: true }],
    ['/helicone/test?x=1', { url: '/', bare: true }],
    ['/weir/test/openai/v1/models?x=1', { url: '/openai/v1/models?x=1', bare: false }],
    ['/sk-weir-k/weir/test/v1/models', { url: '/sk-weir-k/v1/models', bare: false }],
    ['/sk-weir-k/helicone/test', { url: '/sk-weir-k', bare: true }],
    ['/weir/testing', null],
    ['/openai/v1/test', null],
  ])('%s', (url, echoed) => expect(echoedIn(url)).toEqual(echoed))
})

test('the caller and the headers, whatever the method', async () => {
  const { ask } = await house()
  for (const method of ['GET', 'POST', 'DELETE', 'PUT']) {
    const said = await ask('/helicone/test', {
      method,
      headers: { 'Helicone-Auth': 'Bearer sk-helicone-very-secret-1', 'Weir-User-Id': 'ada', 'Weir-Property-Team': 'blue' },
    })
    expect(said).toMatchObject({
      path: null,
      route: null,
      targets: [],
      caller: { tenant: 'default', key: expect.stringMatching(/^weir-[0-9a-f]{12}$/) as string },
      headers: {
        Auth: { value: '***', from: 'header' },
        'User-Id': { value: 'ada', from: 'header' },
        'Property-team': { value: 'blue', from: 'header' },
      },
      identity: { userId: 'ada', properties: { team: 'blue' } },
      error: null,
    })
    expect(JSON.stringify(said)).not.toContain('very-secret')
  }
})

test('a path of a provider: where it goes, with whose key', async () => {
  const { fake, ask } = await house()
  const said = await ask('/weir/test/openai/v1/chat/completions?key=AIzaNotToBeSeenNotToBeSeen', {
    headers: { authorization: 'Bearer sk-proj-not-to-be-seen-anywhere' },
    body: chat('gpt-5-mini'),
  })
  expect(said).toMatchObject({
    path: '/openai/v1/chat/completions?key=***',
    route: { provider: 'openai', family: 'openai-chat', api: 'chat', lane: 'llm' },
    targets: [
      {
        name: 'openai/gpt-5-mini',
        provider: 'openai',
        origin: fake.origin,
        path: '/v1/chat/completions?key=***',
        model: 'gpt-5-mini',
        credential: 'the caller',
        skipped: null,
      },
    ],
    error: null,
  })
  expect(JSON.stringify(said)).not.toMatch(/not-to-be-seen|NotToBeSeen/)
})

test('several targets: keys of their own, and who is passed over', async () => {
  const { ask } = await house()
  const said = await ask('/weir/test/openai/v1/chat/completions', {
    headers: {
      authorization: 'Bearer sk-mine-0123456789abcdef',
      'weir-anthropic-key': 'sk-ant-0123456789abcdef',
      'weir-fallback': 'anthropic/claude-sonnet-4-6;ttft=10, groq/llama-3.3-70b-versatile, openai/gpt-5',
      'weir-retry-enabled': 'true',
    },
    body: chat('gpt-5-mini'),
  })
  expect(said.targets.map(({ name, credential, skipped }) => [name, credential, skipped])).toEqual([
    ['openai/gpt-5-mini', 'the caller', null],
    ['anthropic/claude-sonnet-4-6', 'Weir-Anthropic-Key', null],
    ['groq/llama-3.3-70b-versatile', 'none', 'no_credential'],
    ['openai/gpt-5', 'the caller', null],
  ])
  expect(said.steering).toMatchObject({ retry: { num: 5, factor: 2, minMs: 1000, maxMs: 10_000, on: null }, cache: null })
})

test('where each header is from, and what holds at last', async () => {
  const { ask } = await house(`
defaults: { Cache-Enabled: true, Cache-Control: "max-age=60" }
configs: { careful: { Retry-Enabled: true, Timeout: "ttft=8000" } }
timeouts: { total: 5s }
`)
  const said = await ask('/weir/test/openai/v1/chat/completions', {
    headers: {
      'Weir-Config': 'careful',
      'Helicone-Retry-Num': '99',
      'Weir-Timeout': 'total=9000',
      'Weir-Retry-On': '5xx overloaded',
    },
    body: chat('gpt-5-mini'),
  })
  expect(Object.fromEntries(Object.entries(said.headers).map(([name, { from }]) => [name, from]))).toEqual({
    Config: 'header',
    'Retry-Num': 'header',
    Timeout: 'header',
    'Retry-On': 'header',
    'Retry-Enabled': 'Weir-Config',
    'Cache-Enabled': 'defaults',
    'Cache-Control': 'defaults',
  })
  expect(said.steering).toMatchObject({
    cache: { read: 'yes', save: true, maxAgeS: 60 },
    retry: { num: 10, on: '5xx overloaded' },
    timeoutsMs: { total: 5000 },
  })
  expect(said.warnings).toEqual(['capped;h="helicone-retry-num"', 'capped;h="weir-timeout"'])
})

test('keys inside Fallbacks are not told', async () => {
  const { ask } = await house()
  const said = await ask('/weir/test/openai/v1/chat/completions', {
    headers: { 'Helicone-Fallbacks': '[{"target":"groq/llama","headers":{"authorization":"Bearer plain-word"}}]' },
    body: chat('gpt-5-mini'),
  })
  expect(said.headers.Fallbacks?.value).toBe('[{"target":"groq/llama","headers":{"authorization":"***"}}]')
  expect(said.targets).toMatchObject([{ name: 'groq/llama', credential: 'the headers of its entry', skipped: null }])
  expect(JSON.stringify(said)).not.toContain('plain-word')
})

describe('errors are those the call would get', () => {
  test.each([
    ['/nowhere/v1/x', {}, '', 404, 'unknown_path', null],
    ['/v1/chat/completions', { 'weir-retry-num': 'x' }, '{}', 400, 'bad_header', 'weir-retry-num'],
    ['/v1/chat/completions', {}, '{}', 400, 'unknown_model', 'model'],
    ['/v1/chat/completions', {}, 'no JSON', 400, 'bad_body', null],
    [
      '/v1/chat/completions',
      { authorization: 'Bearer sk-proj-abc' },
      chat('anthropic/m'),
      401,
      'credential_mismatch',
      'Authorization',
    ],
  ])('%s %o: %s', async (path, headers, body, status, code, param) => {
    const { ask, status: got } = await house()
    const init = { headers, ...(body === '' ? {} : { body }) } as RequestInit
    const { error } = await ask(`/weir/test${path}`, init)
    expect(error).toMatchObject({ status, code, param })
    expect(await got(`/weir/test${path}`, init)).toBe(200)
  })
})

test('a path that is relayed unread is told without its body', async () => {
  const { ask } = await house()
  expect(await ask('/weir/test/openai/v1/files', { method: 'GET' })).toMatchObject({
    route: { provider: 'openai', lane: 'relay' },
    targets: [{ provider: 'openai', path: '/v1/files' }],
    error: null,
  })
})

test('case 13: a list of models with one excluded has one target', async () => {
  const { fake, ask } = await house()
  const said = await ask('/weir/test/v1/chat/completions', {
    headers: { authorization: 'Bearer sk-one' },
    body: chat('m1/anthropic, openai/m2, !openai'),
  })
  expect(said.error).toBeNull()
  expect(said.targets).toEqual([
    {
      name: 'anthropic/m1',
      provider: 'anthropic',
      origin: fake.origin,
      path: '/v1/chat/completions',
      family: 'openai-chat',
      model: 'm1',
      credential: 'the caller',
      skipped: null,
    },
  ])
})

test('keys of weir.yaml: where each comes from, and never the key', async () => {
  const { ask } = await house(`
  mine: { origin: "http://127.0.0.1:9", key: key-of-the-operator-1 }
targets:
  eu: { provider: mine, model: big, key: key-of-the-operator-2 }
`)
  const said = await ask('/weir/test/v1/chat/completions', { body: chat('mine/small, @eu') })
  expect(said.targets.map(({ name, model, credential }) => [name, model, credential])).toEqual([
    ['mine/small', 'small', 'weir.yaml, providers'],
    ['@eu', 'big', 'weir.yaml, targets'],
  ])
  expect(JSON.stringify(said)).not.toContain('key-of-the-operator')
})

describe('who may not call learns nothing but that', () => {
  const digest = createHash('sha256').update('sk-weir-known').digest('hex')
  const yaml = `auth: required
keys: [{ name: search, sha256: "${digest}", allow: { providers: [openai] } }]
configs: { secret-plan: {} }
`
  test.each([
    ['no key', {}, 'auth_missing'],
    ['a wrong one', { 'Weir-Auth': 'Bearer sk-weir-wrong' }, 'auth_invalid'],
  ])('%s', async (_, headers, code) => {
    const { ask, status } = await house(yaml)
    for (const path of ['/weir/test', '/weir/test/v1/chat/completions', '/weir/test/anthropic/v1/nowhere']) {
      const init = { headers: { ...headers, 'Weir-Config': 'nobody' }, body: chat('gpt-5-mini') } as RequestInit
      expect(await status(path, init)).toBe(401)
      const said = await ask(path, init)
      expect(said).toMatchObject({ caller: null, route: null, targets: [], headers: {}, error: { status: 401, code } })
      expect(JSON.stringify(said)).not.toContain('secret-plan')
    }
  })

  test('who may is told by name, and who is out of reach', async () => {
    const { ask } = await house(yaml)
    const headers = { 'Weir-Auth': 'Bearer sk-weir-known', authorization: 'Bearer sk-mine', 'Weir-Anthropic-Key': 'k' }
    const said = await ask('/weir/test/v1/chat/completions', { headers, body: chat('openai/a, anthropic/b') })
    expect(said.caller).toMatchObject({ tenant: 'default', key: 'search', allowed: { providers: ['openai'] } })
    expect(said.targets.map(({ name, skipped }) => [name, skipped])).toEqual([
      ['openai/a', null],
      ['anthropic/b', 'denied'],
    ])
    const refused = await ask('/weir/test/anthropic/v1/messages', { headers, body: chat('b') })
    expect(refused.error).toMatchObject({ status: 403, code: 'policy_denied' })
  })
})
