import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { chat, startHouse, type House } from './testing-house.js'

// The whole of weir.yaml that a proxy takes on while it runs, one part after the other at the same process.

let fake: FakeProvider
let house: House
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await startHouse(fake.origin)
})
afterAll(async () => {
  await house.close()
  await fake.close()
})

const statusOf = async (path: string, body = chat(), headers: Record<string, string> = {}): Promise<number> =>
  (await house.ask({ path, body, headers: Object.entries(headers) })).status

test('providers: a new one, another origin, none any more', async () => {
  expect(await statusOf('/mine/v1/chat/completions')).toBe(404)
  house.reload(`  mine: { origin: "${fake.origin}", auth: none }\n`)
  expect(await statusOf('/mine/v1/chat/completions')).toBe(200)
  house.reload('')
  expect(await statusOf('/mine/v1/chat/completions')).toBe(404)
})

test('models, and targets with keys of their own', async () => {
  const list = chat({ model: 'llama-9' })
  expect(await statusOf('/v1/chat/completions', list)).toBe(400)
  house.reload('models: [{ match: "llama-*", provider: openai }]\n')
  expect(await statusOf('/v1/chat/completions', list)).toBe(200)
  const named = chat({ model: '@eu' })
  expect(await statusOf('/v1/chat/completions', named)).toBe(400)
  house.reload('targets: { eu: { provider: openai, model: gpt-5, key: key-of-eu } }\n')
  expect(await statusOf('/v1/chat/completions', named)).toBe(200)
  expect(fake.seen.at(-1)?.headers.authorization).toBe('Bearer key-of-eu')
})

test('configs and defaults', async () => {
  const asked = { 'Weir-Config': 'careful', 'x-fake': 'status=500' }
  expect(await statusOf('/openai/v1/chat/completions', chat(), asked)).toBe(400)
  house.reload('configs: { careful: { Retry-Enabled: true, Retry-Num: 1, Retry-Min-Timeout: 0 } }\n')
  let before = fake.total()
  expect(await statusOf('/openai/v1/chat/completions', chat(), asked)).toBe(500)
  expect(fake.total() - before).toBe(2)
  house.reload('defaults: { Retry-Enabled: true, Retry-Num: 2, Retry-Min-Timeout: 0 }\n')
  before = fake.total()
  expect(await statusOf('/openai/v1/chat/completions', chat(), { 'x-fake': 'status=500' })).toBe(500)
  expect(fake.total() - before).toBe(3)
  const { headers } = await house.call({ 'x-fake': 'status=500', 'Weir-Retry-Enabled': 'false' })
  expect([headers['weir-warning'], fake.total() - before]).toEqual([undefined, 4])
})

test('ceilings, timeouts and what they cap', async () => {
  const asked = { 'Weir-Fallback': 'openai/a, openai/b', 'Weir-Timeout': 'ttft=9000' }
  expect((await house.call(asked)).headers['weir-warning']).toBeUndefined()
  house.reload('ceilings: { targets: 2 }\ntimeouts: { ttft: 5s }\n')
  expect(
    String((await house.call(asked)).headers['weir-warning'])
      .split(', ')
      .sort(),
  ).toEqual(['capped;h="weir-fallback"', 'capped;h="weir-timeout"'])
  house.reload('ceilings: { body: 1KiB }\n')
  expect(await statusOf('/openai/v1/chat/completions', chat({ user: 'x'.repeat(2000) }))).toBe(413)
})

test('keys and auth', async () => {
  const sha256 = createHash('sha256').update('sk-weir-new').digest('hex')
  house.reload(`auth: required\nkeys: [{ name: new, sha256: "${sha256}" }]\n`)
  const refused = await house.call({})
  expect([refused.status, refused.headers['weir-error']]).toEqual([401, 'auth_missing'])
  const taken = await house.call({ 'Weir-Auth': 'Bearer sk-weir-new' })
  expect([taken.status, (await house.end(taken.id)).identity.keyId]).toEqual([200, 'new'])
  house.reload('auth: open\n')
  expect((await house.call({})).status).toBe(200)
})

test('limits', async () => {
  house.reload('limits: { policies: [{ policy: "1;w=3600;s=user" }] }\n')
  const headers = { 'Weir-User-Id': 'limited' }
  expect([(await house.call(headers)).status, (await house.call(headers)).status]).toEqual([200, 429])
  house.reload('')
  expect((await house.call(headers)).status).toBe(200)
})

test('compat', async () => {
  house.reload('compat: { helicone: strict }\n')
  expect((await house.call({ 'Helicone-Retry-Num': 'x' })).status).toBe(400)
  house.reload('')
  expect((await house.call({ 'Helicone-Retry-Num': 'x' })).status).toBe(200)
})

test('a call under way keeps what it began with, and no call is lost', async () => {
  const slow = house.call({ 'x-fake': 'delay=400' })
  const many = Array.from({ length: 20 }, (_, i) => {
    house.reload(i % 2 === 0 ? 'defaults: { Cost-Report: true }\n' : '')
    return house.call({})
  })
  const answers = await Promise.all([slow, ...many])
  expect(answers.map(({ status }) => status)).toEqual(Array(21).fill(200))
})

test('headers that cannot hold change nothing', async () => {
  house.reload('defaults: { Retry-Enabled: true }\n')
  expect(() => house.reload('defaults: { Retry-Enabled: true, Retry-Num: x }\n')).toThrow('defaults.Retry-Num')
  const before = fake.total()
  await house.call({ 'x-fake': 'status=500', 'Weir-Retry-Num': '1', 'Weir-Retry-Min-Timeout': '0' })
  expect(fake.total() - before).toBe(2)
})
