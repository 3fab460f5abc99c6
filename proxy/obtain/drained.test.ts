import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startFakeProvider } from '../../cli/fake-provider/server.js'
import type { Exchange } from '../../core/exchange.js'
import { readUsage } from '../../core/usage-reader.js'
import { Drains } from '../drains.js'
import { post, startTestProxy, type TestProxy } from './cache/testing.js'

// What becomes of an answer whose client leaves: cases 36 and 37 of routing.md §11.

const plain = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const streamed = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Hello?' }] })

const open = async () => {
  const a = await startFakeProvider()
  onTestFinished(() => a.close())
  return { a, proxy: await startTestProxy(a.origin, { random: () => 1 }) }
}
const onlyEnd = async ({ records }: TestProxy): Promise<Exchange> => {
  await expect.poll(() => records.filter(({ type }) => type === 'end').length, { timeout: 5000 }).toBe(1)
  return records.find(({ type }) => type === 'end')?.exchange as Exchange
}
/** Leaves once the upstream has the request. */
const leaveEarly = async (
  { a, proxy }: Awaited<ReturnType<typeof open>>,
  headers: Record<string, string>,
  body: string,
): Promise<void> => {
  let leave = (): void => undefined
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const asking = post(proxy.port, { headers, body, leave: left })
  await expect.poll(() => a.seen.length).toBe(1)
  await expect.poll(() => a.seen[0]?.bodySha256).not.toBe('')
  leave()
  await asking
}

test.each([
  ['by default', {}],
  ['as asked', { 'Weir-Disconnect': 'abort' }],
])('36: abort %s: the upstream is closed at once', async (_, headers) => {
  const scene = await open()
  scene.a.plan('delay=5000')
  await leaveEarly(scene, headers, streamed)
  const leftAt = performance.now()
  await expect.poll(() => scene.a.seen[0]?.aborted, { interval: 5 }).toBe(true)
  expect(performance.now() - leftAt).toBeLessThan(250)
  expect(await onlyEnd(scene.proxy)).toMatchObject({ outcome: 'client_abort', status: 0 })
})

test('37: drain: an answer nobody waits for is read to its end, and its usage is exact', async () => {
  const scene = await open()
  scene.a.plan('delay=200;input=1000;output=100')
  await leaveEarly(scene, { 'Weir-Disconnect': 'drain' }, plain)
  const end = await onlyEnd(scene.proxy)
  expect(end).toMatchObject({ outcome: 'client_abort', status: 200, error: { kind: 'client' } })
  expect(readUsage('openai', 'chat', end.usageRaw)).toMatchObject({ inputTokens: 1000, outputTokens: 100, usageSource: 'wire' })
  expect(scene.a.seen[0]?.aborted).toBe(false)
})

test('drain: a stream that is left in the middle', async () => {
  const { a, proxy } = await open()
  a.plan('gap=30;input=1000;output=100')
  const got = await post(proxy.port, { headers: { 'Weir-Disconnect': 'drain' }, body: streamed, leaveAfter: 1 })
  const end = await onlyEnd(proxy)
  expect(end).toMatchObject({ id: got.id, outcome: 'client_abort', status: 200, finishReason: 'stop' })
  expect(readUsage('openai', 'chat', end.usageRaw)).toMatchObject({ inputTokens: 1000, outputTokens: 100, usageSource: 'wire' })
  expect(a.seen[0]?.aborted).toBe(false)
})

test('drain: more than 8 MiB is not read for nobody', async () => {
  const { a, proxy } = await open()
  a.plan('bytes=20000000;chunks=400;gap=1')
  await post(proxy.port, { headers: { 'Weir-Disconnect': 'drain' }, body: streamed, leaveAfter: 1 })
  const end = await onlyEnd(proxy)
  expect(end.outcome).toBe('client_abort')
  expect(end.counts.resBytes).toBeGreaterThan(8_000_000)
  await expect.poll(() => a.seen[0]?.aborted).toBe(true)
})

test('drain: in a back-off there is nothing to read, and no further attempt', async () => {
  const scene = await open()
  scene.a.plan('status=500', '')
  let leave = (): void => undefined
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const headers = { 'Weir-Disconnect': 'drain', 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Min-Timeout': '300' }
  const asking = post(scene.proxy.port, { headers, body: plain, leave: left })
  await expect.poll(() => scene.a.seen[0]?.sent).toBeTruthy()
  // The failed attempt has been read by now, and its back-off has begun.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const leftAt = performance.now()
  leave()
  await asking
  expect((await onlyEnd(scene.proxy)).attempts).toHaveLength(1)
  expect(performance.now() - leftAt).toBeLessThan(250)
  expect(scene.a.seen).toHaveLength(1)
})

test('drain: what fails after the client has left is not tried elsewhere', async () => {
  const scene = await open()
  scene.a.plan('delay=150;status=500', '')
  const headers = { 'Weir-Disconnect': 'drain', 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Min-Timeout': '0' }
  await leaveEarly(scene, headers, plain)
  expect(await onlyEnd(scene.proxy)).toMatchObject({ outcome: 'client_abort', attempts: [{ status: 500, errorKind: 'server' }] })
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(scene.a.seen).toHaveLength(1)
})

test('a bad word is refused', async () => {
  const { proxy } = await open()
  expect((await post(proxy.port, { headers: { 'Weir-Disconnect': 'wait' }, body: plain })).status).toBe(400)
})

describe('how many', () => {
  test('64 at once; one that ended makes room, once', () => {
    const drains = new Drains()
    const all = Array.from({ length: 64 }, () => drains.enter())
    expect(all.every((drain) => drain !== null)).toBe(true)
    expect(drains.enter()).toBeNull()
    all[0]?.close()
    all[0]?.close()
    expect(drains.enter()).not.toBeNull()
    expect(drains.enter()).toBeNull()
  })
  test('their time is limited', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const drain = new Drains().enter()
    const over = vi.fn()
    if (drain !== null) drain.over = over
    vi.advanceTimersByTime(119_999)
    expect(over).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(over).toHaveBeenCalledOnce()
  })
})
