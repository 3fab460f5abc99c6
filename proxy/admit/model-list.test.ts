import { expect, onTestFinished, test } from 'vitest'
import { effectiveConfig } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { providersFrom } from '../../core/providers/registry.js'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { post, startTestProxy, type Got, type TestProxy } from '../obtain/cache/testing.js'
import { readModelList } from './model-list.js'

// Lists of models on the unified path (headers.md §2.3): read, and through a running proxy.

const yaml = `
models: [{ match: "llama-*", provider: groq }, { match: "meta/*", provider: together }, { match: gpt-special, provider: mistral }]
targets:
  eu: { provider: groq, model: of-eu }
  same: { provider: mistral }
`
const config = effectiveConfig(parseConfigFile({ path: 'weir.yaml', text: yaml }, {}), null, {}, '/')
const rules = { config, providers: providersFrom(config) }
const read = (text: string): string => {
  const { targets, excluded } = readModelList(text, rules)
  return [
    ...targets.map(({ provider, model, alias }) => `${provider.name} ${model}${alias === null ? '' : ` ${alias}`}`),
    ...[...excluded].map((name) => `!${name}`),
  ].join(', ')
}

test.each([
  ['openai/gpt-5-mini', 'openai gpt-5-mini'],
  ['openrouter/anthropic/claude-sonnet-4-6', 'openrouter anthropic/claude-sonnet-4-6'],
  ['claude-sonnet-4-6/anthropic', 'anthropic claude-sonnet-4-6'],
  ['meta-llama/llama-3/groq', 'groq meta-llama/llama-3'],
  // Both are providers: the first segment decides.
  ['openai/groq', 'openai groq'],
  ['oai/m', 'openai m'],
  ['google/m', 'gemini m'],
  // Bare names: patterns of weir.yaml first.
  ['llama-3.3-70b', 'groq llama-3.3-70b'],
  ['meta/opt', 'together meta/opt'],
  ['gpt-special', 'mistral gpt-special'],
  ['gpt-5', 'openai gpt-5'],
  ['o3', 'openai o3'],
  ['o4-mini', 'openai o4-mini'],
  ['text-embedding-3-small', 'openai text-embedding-3-small'],
  ['claude-opus-4-6', 'anthropic claude-opus-4-6'],
  ['gemini-2.5-pro', 'gemini gemini-2.5-pro'],
  ['mistral-large', 'mistral mistral-large'],
  ['codestral-2', 'mistral codestral-2'],
  ['grok-4', 'xai grok-4'],
  ['deepseek-chat', 'deepseek deepseek-chat'],
  ['command-r', 'cohere command-r'],
  ['rerank-v3.5', 'cohere rerank-v3.5'],
  ['sonar-pro', 'perplexity sonar-pro'],
  // Suffixes pass unread.
  ['openrouter/x-ai/grok-4:online', 'openrouter x-ai/grok-4:online'],
  ['gpt-5:flex', 'openai gpt-5:flex'],
  // Lists.
  ['openai/m1,anthropic/m2', 'openai m1, anthropic m2'],
  [' m1/anthropic ,\topenai/m2 ', 'anthropic m1, openai m2'],
  ['m1/anthropic, openai/m2, !openai', 'anthropic m1, !openai'],
  ['!openai, openai/m2, m1/anthropic, gpt-5', 'anthropic m1, !openai'],
  ['gpt-5, !oai, llama-3, ! google', 'groq llama-3, !openai, !gemini'],
  ['@eu', 'groq of-eu @eu'],
  ['gpt-5, @eu, @same', 'openai gpt-5, groq of-eu @eu, mistral gpt-5 @same'],
  ['@eu, @same', 'groq of-eu @eu, mistral of-eu @same'],
  [
    'openai/1,openai/2,openai/3,openai/4,openai/5,openai/6,openai/7,!groq',
    [1, 2, 3, 4, 5, 6, 7].map((n) => `openai ${n}`).join(', ') + ', !groq',
  ],
])('%s', (text, expected) => expect(read(text)).toBe(expected))

test.each([
  ['nobody-knows', 'no provider is known for "nobody-knows"'],
  ['nobody/knows', 'no provider is known for "nobody/knows"'],
  ['openai', 'no provider is known for "openai"'],
  ['openai/', 'no provider is known for "openai/"'],
  ['/openai', 'no provider is known for "/openai"'],
  ['OpenAI/gpt-5', 'no provider is known for "OpenAI/gpt-5"'],
  ['', 'it is empty'],
  ['gpt-5,', 'entry 2 of the list is empty'],
  ['gpt-5,,o3', 'entry 2 of the list is empty'],
  ['gpt-5, !gorq', '"!gorq" excludes a provider, and none is called so. Did you mean "!groq"?'],
  ['gpt-5, !', '"!" excludes a provider'],
  ['!openai', 'it names no model'],
  ['gpt-5, !openai', 'every entry of the list is excluded'],
  ['@ue', 'weir.yaml has no target "@ue". Did you mean "@eu"?'],
  ['@toString', 'weir.yaml has no target "@toString"'],
  ['@same, gpt-5', 'the target "@same" of weir.yaml names no model'],
  ['a,b,c,d,e,f,g,h,i', '9 entries are too many; accepted are 8'],
  ['gpt\u20115', 'no provider is known for "gpt?5"'],
])('%j is refused', (text, message) => {
  expect(() => read(text)).toThrow(message)
  expect(() => read(text)).toThrow(expect.objectContaining({ code: 'unknown_model', param: 'model' }) as Error)
})

interface Scene {
  readonly a: FakeProvider
  readonly b: FakeProvider
  readonly proxy: TestProxy
  ask(model: string, headers?: Record<string, string>, path?: string, more?: string): Promise<Got>
}

const open = async (more = ''): Promise<Scene> => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  for (const fake of [a, b]) onTestFinished(() => fake.close())
  const proxy = await startTestProxy(a.origin, {
    random: () => 0,
    yaml: `  groq: { origin: "${b.origin}", key: of-groq }
  mistral: { origin: "${b.origin}", key: of-mistral }
  azure: { origin: "${b.origin}", key: of-azure }
  claudes: { origin: "${b.origin}", family: anthropic, auth: none }
targets:
  eu: { provider: groq, model: of-eu, headers: { x-eu: "1" } }
  bedrock-eu: { provider: bedrock, region: eu-west-1, model: m }
${more}`,
  })
  return {
    a,
    b,
    proxy,
    ask: (model, headers = {}, path = '/v1/chat/completions', rest = '') =>
      post(proxy.port, {
        path,
        headers,
        body: `{"model":${JSON.stringify(model)},"max_tokens":9,"seed":12345678901234567890${rest},"messages":[{"role":"user","content":"é"}]}`,
      }),
  }
}
const modelsAt = ({ seen }: FakeProvider): readonly unknown[] =>
  seen.map(({ body }) => (JSON.parse(body) as { model?: unknown }).model)

test('case 14: only the model differs, in whatever order and spelling it comes', async () => {
  const { a, ask, proxy } = await open()
  const got = await ask('openai/m')
  const sent = '{"model":"m","max_tokens":9,"seed":12345678901234567890,"messages":[{"role":"user","content":"é"}]}'
  expect(a.seen[0]?.body).toBe(sent)
  expect(await proxy.end(got.id)).toMatchObject({ requestModel: 'm', altered: ['model'], provider: 'openai' })
  await ask(' m/openai, groq/x ')
  expect(a.seen[1]?.body).toBe(sent)
})

test('case 13, sent: what is excluded gets nothing, whoever names it', async () => {
  const { a, b, ask } = await open()
  a.plan('status=500')
  const got = await ask('m1/anthropic, groq/m2, !groq', { authorization: 'Bearer k', 'Weir-Fallback': 'groq/m3, "@eu"' })
  expect([got.status, modelsAt(a), b.total()]).toEqual([500, ['m1'], 0])
  expect(got.headers['weir-fallback-index']).toBeUndefined()
})

test('the first is asked, and the rest once each if it fails, with their own keys and models', async () => {
  const { a, b, ask, proxy } = await open()
  a.plan('status=503')
  b.plan('status=503', '')
  const got = await ask('openai/m1, groq/m2, mistral/m3')
  expect([got.status, got.headers['weir-fallback-index'], got.headers['weir-provider'], got.headers['weir-model']]).toEqual([
    200,
    '2',
    'mistral',
    'm3',
  ])
  expect([modelsAt(a), modelsAt(b)]).toEqual([['m1'], ['m2', 'm3']])
  expect(a.seen[0]?.headers.authorization).toBe('Bearer sk-one')
  expect(b.seen.map(({ headers, path }) => [path, headers.authorization])).toEqual([
    ['/openai/v1/chat/completions', 'Bearer of-groq'],
    ['/v1/chat/completions', 'Bearer of-mistral'],
  ])
  for (const { body } of [...a.seen, ...b.seen]) expect(body).toContain('"seed":12345678901234567890')
  expect((await proxy.end(got.id)).attempts.map(({ target, status }) => [target, status])).toEqual([
    ['openai/m1', 503],
    ['groq/m2', 503],
    ['mistral/m3', 200],
  ])
})

test('a target of weir.yaml may be the first, alone or not', async () => {
  const { a, b, ask, proxy } = await open()
  const got = await ask('@eu')
  expect([got.status, got.headers['weir-provider'], got.headers['weir-model']]).toEqual([200, 'groq', 'of-eu'])
  expect(b.seen[0]?.headers).toMatchObject({ 'x-eu': '1' })
  expect((await proxy.end(got.id)).attempts.map(({ target }) => target)).toEqual(['@eu'])
  b.plan('status=500')
  expect((await ask('@eu, openai/m', { 'Weir-OpenAI-Key': 'given' })).headers['weir-fallback-index']).toBe('1')
  expect(modelsAt(a)).toEqual(['m'])
  expect(a.seen[0]?.headers).not.toHaveProperty('x-eu')
})

test('Weir-Fallback comes behind the list; Fallbacks is a list of its own', async () => {
  const { a, b, ask } = await open()
  a.plan('status=500', '', 'status=500')
  b.plan('status=500', 'status=500', '')
  const got = await ask('openai/m1, groq/m2', { 'Weir-Fallback': 'mistral/m3, openai/m4' })
  expect([got.status, got.headers['weir-fallback-index'], modelsAt(a), modelsAt(b)]).toEqual([
    200,
    '3',
    ['m1', 'm4'],
    ['m2', 'm3'],
  ])
  const whole = await ask('openai/m1, groq/m2', { 'Weir-Fallbacks': '[{"target":"openai/m5"},{"target":"mistral/m6"}]' })
  expect([whole.status, modelsAt(a).at(-1), modelsAt(b).at(-1)]).toEqual([200, 'm5', 'm6'])
  expect(whole.headers['weir-warning']).toBe('ignored;h="model"')
})

test('ceilings.targets: what is over it is left out, with a warning', async () => {
  const { a, b, ask } = await open('ceilings: { targets: 2, attempts: 3 }\n')
  a.plan('status=500')
  b.plan('status=500')
  const got = await ask('openai/m1, groq/m2, mistral/m3')
  expect([got.status, modelsAt(a), modelsAt(b), got.headers['weir-warning']]).toEqual([500, ['m1'], ['m2'], 'capped;h="model"'])
  const both = await ask('openai/m1, groq/m2', { 'Weir-Fallback': 'mistral/m3' })
  expect(both.headers['weir-warning']).toBe('capped;h="weir-fallback"')
  const alone = await ask('openai/m1', { 'Weir-Fallback': 'mistral/m3, groq/m2' })
  expect(alone.headers['weir-warning']).toBe('capped;h="weir-fallback"')
})

test('ceilings.attempts: so many calls are made, and each target keeps one', async () => {
  const { a, b, ask } = await open('ceilings: { attempts: 4 }\n')
  a.plan(...Array.from({ length: 9 }, () => 'status=500'))
  b.plan(...Array.from({ length: 9 }, () => 'status=500'))
  const retry = { 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Num': '9' }
  expect((await ask('openai/m1, groq/m2', retry)).status).toBe(500)
  expect([a.total(), b.total()]).toEqual([3, 1])
})

test('a strategy draws from the list', async () => {
  const { a, b, ask } = await open()
  expect((await ask('openai/m1, groq/m2', { 'Weir-Strategy': 'weighted;primary=0' })).headers['weir-provider']).toBe('groq')
  expect([a.total(), b.total()]).toEqual([0, 1])
})

test.each([
  [
    'openai/m, claudes/m',
    '/v1/chat/completions',
    'family_unsupported',
    'model: claudes does not offer /v1/chat/completions itself.',
  ],
  [
    'claudes/m',
    '/v1/chat/completions',
    'family_unsupported',
    'claudes does not offer /chat/completions itself; call it on its own path, /claudes/...',
  ],
  ['openai/m', '/v1/messages', 'family_unsupported', 'openai does not offer /messages itself'],
  ['bedrock/m', '/v1/chat/completions', 'family_unsupported', 'or name it with its region under targets in weir.yaml'],
  ['@bedrock-eu', '/v1/messages', 'family_unsupported', '@bedrock-eu does not offer /messages itself'],
  ['nobody', '/v1/chat/completions', 'unknown_model', 'no provider is known for "nobody"'],
  ['nobody', '/ai/v1/chat/completions', 'unknown_model', 'no provider is known for "nobody"'],
])('%s on %s: 400 %s, nothing is sent', async (model, path, code, message) => {
  const { a, b, ask, proxy } = await open()
  const got = await ask(model, {}, path)
  expect([got.status, got.headers['weir-error'], a.total(), b.total()]).toEqual([400, code, 0, 0])
  expect(got.bytes.toString()).toContain(JSON.stringify(message).slice(1, -1))
  expect((await proxy.end(got.id)).outcome).toBe('refused')
})

test('Anthropic’s API on the unified path, to those who speak it', async () => {
  const { a, b, ask } = await open()
  a.plan('status=529')
  const got = await ask('anthropic/claude-x, claudes/claude-y', { 'x-api-key': 'sk-ant-1', authorization: '' }, '/v1/messages')
  expect([got.status, got.headers['weir-fallback-index']]).toEqual([200, '1'])
  expect([a.seen[0]?.path, a.seen[0]?.headers['x-api-key']]).toEqual(['/v1/messages', 'sk-ant-1'])
  expect([b.seen[0]?.path, b.seen[0]?.headers['x-api-key']]).toEqual(['/v1/messages', undefined])
  expect(modelsAt(b)).toEqual(['claude-y'])
})

test('case 12: a key that is somebody else’s is not sent; a target of weir.yaml with a key of its own needs none', async () => {
  const { a, b, ask } = await open('  own: { provider: groq, model: m, key: of-target }\n')
  const headers = { authorization: 'Bearer sk-proj-abc' }
  const got = await ask('anthropic/m, groq/m', headers)
  expect([got.status, got.headers['weir-error'], a.total(), b.total()]).toEqual([401, 'credential_mismatch', 0, 0])
  expect((await ask('@own', headers)).status).toBe(200)
  expect(b.seen[0]?.headers.authorization).toBe('Bearer of-target')
  expect((await ask('@eu', headers)).headers['weir-error']).toBe('credential_mismatch')
})
