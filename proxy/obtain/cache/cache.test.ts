import { onTestFinished, test, expect } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { post, startTestProxy, type Got, type Sent, type TestProxy } from './testing.js'

const fakeProvider = async (): Promise<FakeProvider> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  return fake
}

const house = async (yaml = ''): Promise<{ fake: FakeProvider; proxy: TestProxy; call: (sent: Sent) => Promise<Got> }> => {
  const fake = await fakeProvider()
  const proxy = await startTestProxy(fake.origin, { yaml })
  return { fake, proxy, call: (sent) => post(proxy.port, sent) }
}

const on = { 'weir-cache-enabled': 'true' }
const chat = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }], ...more })
const status = ({ headers }: Got): unknown => headers['weir-cache']

test('42 the same call with its keys in another order: equal bytes, whose they are, how old, and cost 0', async () => {
  const { fake, proxy, call } = await house()
  const first = await call({ headers: on, body: chat() })
  const second = await call({
    headers: on,
    body: '{ "messages":[ {"content":"Hel\\u006co","role":"user"}],\n"model":"gpt-5-mini"}',
  })
  expect([status(first), status(second)]).toEqual(['MISS', 'HIT'])
  expect(second.bytes).toEqual(first.bytes)
  expect(second.headers).toMatchObject({
    age: '0',
    'weir-cache-id': first.id,
    'weir-cache-bucket-idx': '0',
    'weir-cost': '0',
    'content-type': first.headers['content-type'],
    'content-length': first.headers['content-length'],
  })
  expect(Number(second.headers['weir-cache-latency'])).toBeGreaterThanOrEqual(0)
  expect(Number(second.headers['weir-cache-saved'])).toBeGreaterThan(0)
  expect(fake.total()).toBe(1)
  const [miss, hit] = await Promise.all([proxy.end(first.id), proxy.end(second.id)])
  expect(miss).toMatchObject({ outcome: 'complete', cache: { status: 'miss', originalId: null }, attempts: [{ status: 200 }] })
  expect(hit).toMatchObject({
    outcome: 'cached',
    status: 200,
    attempts: [],
    usageRaw: miss.usageRaw,
    cache: { status: 'hit', originalId: first.id, bucket: 0 },
  })
  expect(hit.resBody?.bytes).toEqual(miss.resBody?.bytes)
  expect(proxy.records.filter(({ type }) => type === 'start')).toHaveLength(1)
})
