import { request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { post, startTestProxy, type Got, type Sent, type TestProxy } from '../obtain/cache/testing.js'

// Whose key goes where (headers.md §2.4), through a running proxy: every origin is one fake provider, and everything it received is looked
// through for the keys of all others.

const body = JSON.stringify({ model: 'gpt-4o-mini', max_tokens: 9, messages: [{ role: 'user', content: 'Hello?' }] })
const ofModel = (model: string): string => body.replace('gpt-4o-mini', model)

const canaries = {
  caller: 'canary-of-caller',
  openai: 'canary-of-openai',
  groq: 'canary-of-groq',
  anthropic: 'canary-of-anthropic',
  gemini: 'canary-of-gemini',
  eu: 'canary-of-target-eu',
  us: 'canary-of-target-us',
}
type Owner = keyof typeof canaries

/** Whose keys an origin has seen, in headers, paths or bodies. */
const keysAt = ({ seen }: FakeProvider): readonly Owner[] => {
  const all = JSON.stringify(seen)
  return (Object.keys(canaries) as Owner[]).filter((owner) => all.includes(canaries[owner]))
}

interface Scene {
  /** OpenAI, Anthropic and Gemini; Groq; Mistral. */
  readonly a: FakeProvider
  readonly b: FakeProvider
  readonly c: FakeProvider
  readonly proxy: TestProxy
  ask(headers?: Record<string, string>, more?: Partial<Sent>): Promise<Got>
}

const withKeys = ['openai', 'anthropic', 'gemini'] as const

const open = async (more = ''): Promise<Scene> => {
  const [a, b, c] = [await startFakeProvider(), await startFakeProvider(), await startFakeProvider()]
  for (const fake of [a, b, c]) onTestFinished(() => fake.close())
  const ofA = withKeys.map((name) => `  ${name}: { origin: "${a.origin}", key: ${canaries[name]} }\n`).join('')
  const proxy = await startTestProxy(a.origin, {
    random: () => 0,
    providers: `${ofA}  groq: { origin: "${b.origin}", key: ${canaries.groq} }\n  mistral: { origin: "${c.origin}", auth: bearer }\n  xai: { origin: "${c.origin}" }\n`,
    yaml: `
targets:
  eu: { provider: groq, model: of-eu, key: ${canaries.eu}, headers: { x-region: eu }, body: { seed: 7, metadata: { from: weir } }, timeout: { ttft: 5s } }
  us: { provider: mistral, model: of-us, key: ${canaries.us} }
  plain: { provider: groq }
  headed: { provider: mistral, model: m, headers: { authorization: "${canaries.us}" } }
${more}`,
  })
  return { a, b, c, proxy, ask: (headers = {}, rest = {}) => post(proxy.port, { headers, body, ...rest }) }
}
const noKey = { authorization: '' }

test.each([
  ['/openai/v1/chat/completions', 'authorization', `Bearer ${canaries.openai}`],
  ['/anthropic/v1/messages', 'x-api-key', canaries.anthropic],
  ['/anthropic/v1/chat/completions', 'authorization', `Bearer ${canaries.anthropic}`],
  ['/gemini/v1beta/models/gemini-2.5-flash:generateContent', 'x-goog-api-key', canaries.gemini],
  ['/gemini/v1beta/openai/chat/completions', 'authorization', `Bearer ${canaries.gemini}`],
])('the key of weir.yaml in the form its provider takes: %s', async (path, name, value) => {
  const { a, b, ask, proxy } = await open()
  for (const [headers, sent] of [
    [noKey, path],
    [{ authorization: 'Bearer' }, path],
    [{ authorization: 'Bearer sk-weir-0123456789' }, path],
    [{ authorization: '', 'x-api-key': 'sk-helicone-0123456789' }, path],
    [noKey, `/sk-weir-0123456789${path}`],
  ] as const) {
    const got = await ask(headers, { path: sent })
    expect(got.status).toBe(200)
    const seen = a.seen.at(-1)
    expect(seen?.headers[name]).toBe(value)
    const others = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'].filter((each) => each !== name)
    for (const other of others) expect(seen?.headers[other]).toBeUndefined()
    expect(JSON.stringify(seen)).not.toContain('0123456789')
    expect(JSON.stringify(await proxy.end(got.id))).not.toContain('canary-')
  }
  expect(keysAt(b)).toEqual([])
})

test('the caller’s own key goes before that of weir.yaml, and Weir-<Provider>-Key before both', async () => {
  const { a, ask } = await open()
  await ask({ authorization: `Bearer ${canaries.caller}` })
  expect(a.seen[0]?.headers.authorization).toBe(`Bearer ${canaries.caller}`)
  await ask({ authorization: `Bearer ${canaries.caller}`, 'Weir-OpenAI-Key': 'given' })
  expect(a.seen[1]?.headers.authorization).toBe('Bearer given')
  await ask({ authorization: `Bearer ${canaries.caller}`, 'Weir-Oai-Key': 'by-alias' })
  expect(a.seen[2]?.headers.authorization).toBe('Bearer by-alias')
  await ask(noKey, { path: '/gemini/v1beta/models/m:generateContent?key=mine' })
  expect(a.seen[3]).toMatchObject({ path: '/v1beta/models/m:generateContent?key=mine' })
  expect(a.seen[3]?.headers['x-goog-api-key']).toBeUndefined()
  expect(keysAt(a)).toEqual(['caller'])
})

test('case 24, with keys of weir.yaml: each origin has seen its own key, and nobody else’s', async () => {
  const { a, b, c, ask, proxy } = await open()
  a.plan('status=401')
  b.plan('status=503')
  const got = await ask({ authorization: `Bearer ${canaries.caller}`, 'Weir-Fallback': '"@eu", "@us"' })
  expect([got.status, got.headers['weir-fallback-index'], got.headers['weir-model']]).toEqual([200, '2', 'of-us'])
  expect([keysAt(a), keysAt(b), keysAt(c)]).toEqual([['caller'], ['eu'], ['us']])
  const end = await proxy.end(got.id)
  expect(end.attempts.map(({ target, provider, model }) => [target, provider, model])).toEqual([
    ['openai/gpt-4o-mini', 'openai', 'gpt-4o-mini'],
    ['@eu', 'groq', 'of-eu'],
    ['@us', 'mistral', 'of-us'],
  ])
  expect(got.headers['weir-attempts']).toMatch(
    /^"openai\/gpt-4o-mini";status=401.*, "@eu";status=503.*, "@us";status=200;ms=\d+$/,
  )
  expect(JSON.stringify([end, got.headers, got.bytes.toString()])).not.toContain('canary-')
})

test('what weir.yaml says of a target is sent to it: headers, body, model', async () => {
  const { a, b, ask } = await open()
  a.plan('status=500', 'status=500')
  await ask({ 'Weir-Fallback': '"@eu"', 'x-region': 'mine', 'x-other': 'kept' })
  expect(b.seen[0]?.headers).toMatchObject({ 'x-region': 'eu', 'x-other': 'kept', authorization: `Bearer ${canaries.eu}` })
  expect(JSON.parse(b.seen[0]?.body ?? '')).toEqual({
    ...(JSON.parse(body) as object),
    model: 'of-eu',
    seed: 7,
    metadata: { from: 'weir' },
  })
  const entries = [
    { target: 'openai' },
    {
      target: '@eu',
      headers: { 'x-region': 'entry', authorization: 'own' },
      bodyKeyOverride: { seed: 8, metadata: { by: 'entry' } },
    },
  ]
  await ask({ 'Weir-Fallbacks': JSON.stringify(entries), 'x-other': 'gone' })
  expect(b.seen[1]?.headers).toMatchObject({ 'x-region': 'entry', authorization: 'own' })
  expect(b.seen[1]?.headers['x-other']).toBeUndefined()
  expect(JSON.parse(b.seen[1]?.body ?? '')).toMatchObject({ model: 'of-eu', seed: 8, metadata: { from: 'weir', by: 'entry' } })
  expect(keysAt(b)).toEqual(['eu'])
})

test('a target without a model is sent the one asked for; without a key, that of its provider', async () => {
  const { a, b, c, ask } = await open()
  a.plan('status=500', 'status=500')
  expect((await ask({ 'Weir-Fallback': '"@plain"' })).status).toBe(200)
  expect(b.seen[0]).toMatchObject({ body, headers: { authorization: `Bearer ${canaries.groq}` } })
  expect((await ask({ 'Weir-Fallback': '"@headed"' })).status).toBe(200)
  expect(c.seen[0]?.headers.authorization).toBe(canaries.us)
  expect([keysAt(b), keysAt(c)]).toEqual([['groq'], ['us']])
})

test('a second account at the same provider is let in with its own key, not with the caller’s', async () => {
  const { b, ask } = await open()
  b.plan('status=429', '')
  const got = await ask(
    { authorization: `Bearer ${canaries.caller}`, 'Weir-Fallback': '"@eu"' },
    { path: '/groq/v1/chat/completions' },
  )
  expect(got.status).toBe(200)
  expect(b.seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${canaries.caller}`, `Bearer ${canaries.eu}`])
})

test('the caller’s key goes to its own provider and origin alone: another provider at the same origin gets its own', async () => {
  const { a, ask } = await open()
  a.plan('status=500', '')
  await ask({ authorization: `Bearer ${canaries.caller}`, 'Weir-Fallback': 'anthropic/claude' })
  expect(a.seen.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${canaries.caller}`,
    `Bearer ${canaries.anthropic}`,
  ])
})

test('case 25, with keys of weir.yaml: a target without any is passed over', async () => {
  const { a, c, ask } = await open()
  a.plan('status=500')
  const got = await ask({ 'Weir-Fallback': 'mistral/m, xai/m' })
  expect([got.status, c.total()]).toEqual([500, 0])
  expect(got.headers['weir-attempts']).toMatch(
    /^"mistral\/m";skipped=no_credential, "xai\/m";skipped=no_credential, "openai\/gpt-4o-mini";status=500/,
  )
})

test('no key at all: 401 where the provider needs one, untouched where that is not known', async () => {
  const { c, ask, proxy } = await open()
  const got = await ask(noKey, { path: '/mistral/v1/chat/completions' })
  expect([got.status, got.headers['weir-error'], c.total()]).toEqual([401, 'credential_missing', 0])
  expect(got.bytes.toString()).toContain('Weir-Mistral-Key')
  expect((await proxy.end(got.id)).outcome).toBe('refused')
  const listed = await ask(noKey, { path: '/v1/chat/completions', body: ofModel('mistral/m') })
  expect([listed.status, listed.headers['weir-error'], c.total()]).toEqual([401, 'credential_missing', 0])
  const both = await ask({ ...noKey, 'Weir-Fallback': 'xai/m' }, { path: '/mistral/v1/chat/completions' })
  expect([both.status, both.headers['weir-error'], c.total()]).toEqual([401, 'credential_missing', 0])
  const passed = await ask(noKey, { path: '/xai/v1/chat/completions' })
  expect([passed.status, c.total()]).toEqual([200, 1])
  const later = await ask({ ...noKey, 'Weir-Fallback': '"@us"' }, { path: '/mistral/v1/chat/completions' })
  expect([later.status, later.headers['weir-fallback-index'], c.total()]).toEqual([200, '1', 2])
})

test('what is relayed unread is let in by the same rule', async () => {
  const { a, b, proxy } = await open()
  const send = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve) => {
      const req = request({ port: proxy.port, host: '127.0.0.1', path, headers, agent: false }, (res) => {
        res.resume().on('end', () => resolve(res.statusCode))
      })
      req.end()
    })
  expect(await send('/openai/v1/files', {})).toBe(200)
  expect(await send('/openai/v1/files', { authorization: `Bearer ${canaries.caller}` })).toBe(200)
  expect(await send('/groq/v1/files', { 'weir-auth': 'Bearer sk-weir-1' })).toBe(200)
  expect(a.seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${canaries.openai}`, `Bearer ${canaries.caller}`])
  expect(b.seen[0]?.headers.authorization).toBe(`Bearer ${canaries.groq}`)
})

test('an address that a caller gives gets no key of weir.yaml, whoever is there', async () => {
  const { a, b, ask } = await open()
  const entries = [{ 'target-url': a.origin }, { 'target-url': `${b.origin}/openai` }]
  const got = await ask({ ...noKey, 'Weir-Fallbacks': JSON.stringify(entries) })
  expect(got.headers['weir-error']).toBe('credential_missing')
  await ask({ ...noKey, 'Weir-Target-URL': b.origin }, { path: '/gateway/v1/chat/completions' })
  expect([keysAt(a), keysAt(b)]).toEqual([[], []])
})

test('a call that goes to an address of its caller’s takes no target of weir.yaml there', async () => {
  const { a, c, ask } = await open('  account: { provider: openai, key: canary-of-target-us }\n')
  c.plan('status=500')
  const got = await ask({ ...noKey, 'Weir-OpenAI-Key': 'k', 'Weir-Target-URL': c.origin, 'Weir-Fallback': '"@account"' })
  expect([got.status, keysAt(a), keysAt(c), c.total()]).toEqual([200, ['us'], [], 1])
})

test('calls that are let in with different keys share no answer', async () => {
  const { a, ask } = await open()
  const cached = { 'Weir-Cache-Enabled': 'true' }
  const status = async (headers: Record<string, string>): Promise<unknown> =>
    (await ask({ ...cached, ...headers })).headers['weir-cache']
  expect(await status(noKey)).toBe('MISS')
  expect(await status(noKey)).toBe('HIT')
  expect(await status({ authorization: `Bearer ${canaries.caller}` })).toBe('MISS')
  expect(await status({ ...noKey, 'Weir-OpenAI-Key': 'k' })).toBe('MISS')
  expect(a.total()).toBe(3)
})
