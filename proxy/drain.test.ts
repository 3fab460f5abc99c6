import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../cli/fake-provider/server.js'
import { post, startTestProxy } from './obtain/cache/testing.js'

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })

test('told to stop: a balancer is warned at once, calls are still taken for drain.delay, then no more', async () => {
  const upstream = await startFakeProvider()
  onTestFinished(() => upstream.close())
  const proxy = await startTestProxy(upstream.origin, { yaml: 'drain: { delay: 3s, timeout: 1s }\n' })
  const drained = proxy.drain()
  const ready = await fetch(`http://127.0.0.1:${proxy.port}/readyz`)
  expect([ready.status, ((await ready.json()) as { status: string }).status]).toEqual([503, 'not ready'])
  expect((await post(proxy.port, { body })).status).toBe(200)
  await drained
  await expect(post(proxy.port, { body })).rejects.toThrow('ECONNREFUSED')
})
