import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { startTestProxy, type TestProxy } from '../obtain/cache/testing.js'
import { toldModels } from './told-models.js'

test.each([
  [{ data: [{ id: 'a', created: 5 }, { id: 'b' }] }, ['a 5', 'b 0']],
  [{ data: [{ id: 'c', created_at: '1970-01-01T00:01:00Z' }], has_more: false }, ['c 60']],
  [{ models: [{ name: 'models/g' }, { name: 'command' }] }, ['g 0', 'command 0']],
  [[{ id: 'bare' }], ['bare 0']],
  [{ data: [{ id: 7 }, null, { id: '' }, { id: 'x'.repeat(257) }, 'x'] }, []],
])('%j', (json, expected) => expect(toldModels(json)?.map(({ id, created }) => `${id} ${created}`)).toEqual(expected))

test.each([[{}], [{ data: 'x' }], ['x'], [null], [7]])('%j is no list', (json) => expect(toldModels(json)).toBeNull())

interface Listed {
  readonly status: number
  readonly ids: readonly string[]
  readonly warning: string | null
  readonly id: string
  readonly body: { readonly object?: string; readonly data?: readonly Record<string, unknown>[] }
}

const list = async (proxy: TestProxy, headers: Record<string, string> = {}, path = '/v1/models'): Promise<Listed> => {
  const got = await fetch(`http://127.0.0.1:${proxy.port}${path}`, { headers })
  const body = (await got.json()) as Listed['body']
  return {
    status: got.status,
    ids: (body.data ?? []).map(({ id }) => String(id)),
    warning: got.headers.get('weir-warning'),
    id: got.headers.get('weir-id') ?? '',
    body,
  }
}

const fakes = async (): Promise<readonly [FakeProvider, FakeProvider]> => {
  const both = [await startFakeProvider(), await startFakeProvider()] as const
  for (const fake of both) onTestFinished(() => fake.close())
  return both
}

const stub = async (
  answer: (n: number) => { status?: number; body: string; waitMs?: number },
): Promise<{ origin: string; asked: () => number }> => {
  let asked = 0
  const server: Server = createServer((_, res) => {
    const { status = 200, body, waitMs = 0 } = answer(++asked)
    setTimeout(() => res.writeHead(status, { 'content-type': 'application/json' }).end(body), waitMs)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked }
}

test('nothing is configured: the default provider’s own list, with the caller’s key, as it came', async () => {
  const [a] = await fakes()
  const proxy = await startTestProxy(a.origin)
  const listed = await list(proxy, { authorization: 'Bearer sk-one' })
  expect(listed.ids).toContain('gpt-4o-mini')
  expect(a.seen[0]).toMatchObject({ path: '/v1/models', headers: { authorization: 'Bearer sk-one' } })
  expect(await proxy.end(listed.id)).toMatchObject({ provider: 'openai', endpoint: 'GET /v1/models' })
})

test('what the keys of weir.yaml reach, by the names the unified path takes', async () => {
  const [a, b] = await fakes()
  const local = await stub(() => ({ body: '{"data":[{"id":"llama-3","created":9}]}' }))
  const proxy = await startTestProxy(a.origin, {
    providers: `  openai: { origin: "${a.origin}" }
  anthropic: { origin: "${b.origin}", key: of-anthropic }
  gemini: { origin: "${b.origin}", key: of-gemini }
  mistral: { origin: "${a.origin}" }
  mine: { origin: "${local.origin}", auth: none }
`,
    yaml: 'targets: { eu: { provider: mistral, model: m, key: of-eu }, any: { provider: mistral } }\n',
  })
  const listed = await list(proxy, {}, '/ai/v1/models')
  expect(listed.status).toBe(200)
  expect(listed.body.object).toBe('list')
  expect(listed.body.data).toContainEqual({ id: 'mine/llama-3', object: 'model', created: 9, owned_by: 'mine' })
  expect(listed.ids).toContain('@eu')
  expect(listed.ids).not.toContain('@any')
  expect(listed.ids.some((id) => id.startsWith('anthropic/claude-'))).toBe(true)
  expect(listed.ids.some((id) => id.startsWith('gemini/'))).toBe(true)
  expect(listed.ids.some((id) => /^(?:openai|mistral)\//.test(id))).toBe(false)
  expect(a.total()).toBe(0)
  expect(
    b.seen.map(({ path, headers }) => [path, headers['x-api-key'], headers.authorization, headers['anthropic-version']]),
  ).toEqual([
    ['/v1/models?limit=1000', 'of-anthropic', undefined, '2023-06-01'],
    ['/v1beta/openai/models', undefined, 'Bearer of-gemini', undefined],
  ])
  expect(await proxy.end(listed.id)).toMatchObject({
    provider: '',
    endpoint: 'GET /v1/models'.replace('/v1', '/ai/v1'),
    status: 200,
    outcome: 'complete',
  })
})

test('a caller’s keys by header reach theirs, its own key the default provider; each asked once in a while', async () => {
  const [a, b] = await fakes()
  const proxy = await startTestProxy(a.origin, { yaml: `  groq: { origin: "${b.origin}" }\n` })
  const headers = { authorization: 'Bearer sk-one', 'weir-groq-key': 'gsk' }
  const [first, second] = [await list(proxy, headers), await list(proxy, headers)]
  expect(second.ids).toEqual(first.ids)
  expect(first.ids).toContain('openai/gpt-4o-mini')
  expect(first.ids.some((id) => id.startsWith('groq/'))).toBe(true)
  expect([a.seen, b.seen].map((seen) => seen.map((each) => each.headers.authorization))).toEqual([
    ['Bearer sk-one'],
    ['Bearer gsk'],
  ])
  // Another caller's are asked for anew.
  await list(proxy, { ...headers, 'weir-groq-key': 'other' })
  expect([a.total(), b.total()]).toEqual([1, 2])
  // A key that is known to be somebody else's is not sent to the default provider.
  const mismatched = await list(proxy, { authorization: 'Bearer sk-ant-1', 'weir-groq-key': 'gsk' })
  expect(mismatched.ids.some((id) => id.startsWith('openai/'))).toBe(false)
  expect([a.total(), b.total()]).toEqual([1, 2])
})

test.each([
  ['an error', () => ({ status: 401, body: '{}' })],
  ['no JSON', () => ({ body: '<html>' })],
  ['no list', () => ({ body: '{"ok":true}' })],
  ['too much', () => ({ body: `{"data":[],"x":"${'x'.repeat(5 * 1024 ** 2)}"}` })],
])('one provider that fails spoils nothing: %s', async (_, answer) => {
  const [a] = await fakes()
  const bad = await stub(answer)
  const proxy = await startTestProxy(a.origin, {
    providers: `  openai: { origin: "${a.origin}", key: k }\n  bad: { origin: "${bad.origin}", key: k }\n`,
  })
  const listed = await list(proxy)
  expect([listed.status, listed.warning]).toEqual([200, 'models-missing;p="bad"'])
  expect(listed.ids).toContain('openai/gpt-4o-mini')
  await list(proxy)
  expect(bad.asked()).toBe(1)
})

test('nobody tells: an error, not an empty list', async () => {
  const bad = await stub(() => ({ status: 500, body: '{}' }))
  const proxy = await startTestProxy(bad.origin, { providers: `  openai: { origin: "${bad.origin}", key: k }\n` })
  const listed = await list(proxy)
  expect([listed.status, listed.warning]).toEqual([502, 'models-missing;p="openai"'])
  expect((await proxy.end(listed.id)).outcome).toBe('upstream_abort')
})

test('fifty at once are one question', async () => {
  const slow = await stub(() => ({ body: '{"data":[{"id":"m"}]}', waitMs: 50 }))
  const proxy = await startTestProxy(slow.origin, { providers: `  openai: { origin: "${slow.origin}", key: k }\n` })
  const all = await Promise.all(Array.from({ length: 50 }, () => list(proxy)))
  expect(all.every(({ ids }) => ids.length === 1 && ids[0] === 'openai/m')).toBe(true)
  expect(slow.asked()).toBe(1)
})

test('a Weir that asks itself is refused, and does not ask for ever', async () => {
  const [a] = await fakes()
  const proxy = await startTestProxy(a.origin, { providers: `  openai: { origin: "${a.origin}", key: k }\n` })
  const looped = await list(proxy, { 'weir-hop': '3' })
  expect(looped.status).toBe(508)
  await list(proxy, { 'weir-hop': '1' })
  expect(a.seen[0]?.headers['weir-hop']).toBe('2')
})

test('other methods and paths below it are the default provider’s', async () => {
  const [a] = await fakes()
  const proxy = await startTestProxy(a.origin, { providers: `  openai: { origin: "${a.origin}", key: of-openai }\n` })
  const got = await fetch(`http://127.0.0.1:${proxy.port}/v1/models/gpt-4o`)
  expect([got.status, a.seen[0]?.path, a.seen[0]?.headers.authorization]).toEqual([200, '/v1/models/gpt-4o', 'Bearer of-openai'])
})
