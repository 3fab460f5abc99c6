import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { post, startTestProxy, type Got, type TestProxy } from '../cache/testing.js'

// Retries, through a running proxy: the cases of routing.md §11 by their numbers. R:n = Retry-Enabled with Retry-Num n.

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const streamed = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Hello?' }] })

interface Scene {
  readonly a: FakeProvider
  readonly proxy: TestProxy
  ask(headers?: Record<string, string>, sent?: string): Promise<Got>
}

/** @param random What chance says: 1 = the longest wait there can be. */
const open = async ({ random = 0, yaml = '' } = {}): Promise<Scene> => {
  const a = await startFakeProvider()
  onTestFinished(() => a.close())
  const proxy = await startTestProxy(a.origin, { random: () => random, yaml })
  return { a, proxy, ask: (headers = {}, sent = body) => post(proxy.port, { headers, body: sent }) }
}
const retries = (num: number, more: Record<string, string> = {}): Record<string, string> => ({
  'Weir-Retry-Enabled': 'true',
  'Weir-Retry-Num': String(num),
  ...more,
})
/** How long after the call before each request came. */
const gaps = ({ seen }: FakeProvider): number[] => seen.slice(1).map(({ at }, i) => at - (seen[i]?.at ?? 0))

test('15: two refusals, then an answer: 200, 3 attempts, 1 row', async () => {
  const { a, proxy, ask } = await open()
  a.plan('status=429', 'status=429', '')
  const got = await ask(retries(5))
  expect(got.status).toBe(200)
  expect(got.headers['x-should-retry']).toBeUndefined()
  expect(got.headers['weir-attempts']).toMatch(
    /^"openai\/gpt-4o-mini";status=429;kind=rate_limit;ms=\d+, "openai\/gpt-4o-mini";status=429;kind=rate_limit;ms=\d+, "openai\/gpt-4o-mini";status=200;ms=\d+$/,
  )
  expect(got.headers['weir-fallback-index']).toBeUndefined()
  const end = await proxy.end(got.id)
  expect(end).toMatchObject({ outcome: 'complete', status: 200, error: null })
  expect(end.attempts.map(({ status, errorKind }) => [status, errorKind])).toEqual([
    [429, 'rate_limit'],
    [429, 'rate_limit'],
    [200, ''],
  ])
  expect(proxy.records.map(({ type }) => type)).toEqual(['start', 'end'])
  for (const { startUs, endUs } of end.attempts) expect(endUs).toBeGreaterThanOrEqual(startUs)
})

test('16: refused for ever: 3 calls, the last refusal as it came, and no more of it', async () => {
  const { a, ask, proxy } = await open()
  a.plan('status=429', 'status=429', 'status=429;x-should-retry=true;message=the third')
  const got = await ask(retries(2))
  expect(got.status).toBe(429)
  expect(a.seen).toHaveLength(3)
  expect(JSON.parse(got.bytes.toString())).toMatchObject({ error: { message: 'the third', code: 'rate_limit_exceeded' } })
  expect(got.headers['x-should-retry']).toBe('false')
  expect(got.headers['weir-error']).toBeUndefined()
  const end = await proxy.end(got.id)
  expect(end).toMatchObject({ outcome: 'complete', status: 429, error: { kind: 'rate_limit' } })
  expect(end.attempts).toHaveLength(3)
})

test('17: switched off: one call, the answer untouched', async () => {
  const { a, ask, proxy } = await open()
  a.plan('status=500')
  const got = await ask({ 'Helicone-Retry-Enabled': 'false', 'Helicone-Retry-Num': '3' })
  expect([got.status, a.seen.length, got.headers['x-should-retry']]).toEqual([500, 1, undefined])
  expect(got.headers['weir-warning']).toBe('ignored;h="helicone-retry-num"')
  expect((await proxy.end(got.id)).attempts).toHaveLength(1)
})

test('18, 19: what the upstream asks for is waited, the longest of it', async () => {
  const { a, ask } = await open()
  a.plan('status=429;retry-after=1;retry-after-ms=0', '')
  expect((await ask(retries(1))).status).toBe(200)
  expect(gaps(a)[0]).toBeGreaterThanOrEqual(1000)
  a.plan('status=503;retry-after=0.2', '')
  expect((await ask(retries(1))).status).toBe(200)
  expect(gaps(a)[2]).toBeGreaterThanOrEqual(200)
  expect(gaps(a)[2]).toBeLessThan(1000)
})

test('20: asked to wait for years: at once, as it came', async () => {
  const { a, ask } = await open()
  a.plan('status=429;retry-after=1000000000')
  const got = await ask(retries(3))
  expect([got.status, a.seen.length, got.headers['retry-after'], got.headers['x-should-retry']]).toEqual([
    429,
    1,
    '1000000000',
    undefined,
  ])
})

test('21: the retries of an SDK are counted', async () => {
  const { a, ask } = await open()
  a.plan('status=500', 'status=500', 'status=500')
  expect((await ask(retries(2, { 'x-stainless-retry-count': '2' }))).status).toBe(500)
  expect(a.seen).toHaveLength(1)
  await ask(retries(2, { 'x-stainless-retry-count': '1', 'Weir-Retry-Min-Timeout': '0' }))
  expect(a.seen).toHaveLength(3)
})

test('34: one time for all: a retry that would pass it is not begun', async () => {
  const { a, ask } = await open({ random: 1 })
  const startedAt = performance.now()
  a.plan('status=500', 'status=500;message=again', 'status=500')
  // Waits of 400, then 800 ms.
  const got = await ask(retries(5, { 'Weir-Timeout': 'total=1000', 'Weir-Retry-Min-Timeout': '400' }))
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect([got.status, got.headers['x-should-retry'], a.seen.length]).toEqual([500, 'false', 2])
  expect(got.bytes.toString()).toContain('again')
})

test('34: an upstream that hangs is left when the time is over', async () => {
  const { a, ask, proxy } = await open()
  a.plan('hang')
  const startedAt = performance.now()
  const got = await ask(retries(5, { 'Weir-Timeout': 'total=300' }))
  expect(performance.now() - startedAt).toBeLessThan(400)
  expect([got.status, got.headers['weir-error'], a.seen.length]).toEqual([504, 'timeout_total', 1])
  expect(await proxy.end(got.id)).toMatchObject({ outcome: 'stall', error: { kind: 'timeout_total' } })
})

test('an earlier answer stands in where the last attempt gets none', async () => {
  const { a, ask, proxy } = await open()
  // A connection that is reset before an answer, and was used before, is tried once more on a new one: that is no attempt.
  a.plan('status=500;message=the only one', 'reset', 'reset')
  const got = await ask(retries(1))
  expect([got.status, got.headers['x-should-retry']]).toEqual([500, 'false'])
  expect(got.bytes.toString()).toContain('the only one')
  expect(got.headers['weir-attempts']).toMatch(
    /status=500;kind=server;ms=\d+, "openai\/gpt-4o-mini";kind=network;ms=\d+;replayed$/,
  )
  const end = await proxy.end(got.id)
  // The one that was answered stands last: it is the call's.
  expect(end.attempts.map(({ status, errorKind }) => [status, errorKind])).toEqual([
    [0, 'network'],
    [500, 'server'],
  ])
  expect(end).toMatchObject({ status: 500, outcome: 'complete' })
})

test('nobody answers: our own error, which is not worth a retry', async () => {
  const { a, ask, proxy } = await open()
  a.plan('reset', 'close')
  const got = await ask(retries(1))
  expect([got.status, got.headers['weir-error'], got.headers['x-should-retry']]).toEqual([502, 'upstream_reset', 'false'])
  expect((await proxy.end(got.id)).attempts.map(({ errorKind }) => errorKind)).toEqual(['network', 'network'])
})

test('38: the client leaves in the back-off: no further call', async () => {
  const { a, proxy } = await open({ random: 1 })
  a.plan('status=500', 'status=500')
  let leave = (): void => undefined
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const asking = post(proxy.port, { headers: retries(5, { 'Weir-Retry-Min-Timeout': '300' }), body, leave: left })
  await expect.poll(() => a.seen[0]?.sent).not.toBeFalsy()
  leave()
  await asking
  await expect.poll(() => proxy.records.length).toBe(2)
  const end = proxy.records[1]?.exchange
  expect(end).toMatchObject({ outcome: 'client_abort', status: 0 })
  expect(end?.attempts.map(({ status, errorKind }) => [status, errorKind])).toEqual([[500, 'server']])
  await new Promise((resolve) => setTimeout(resolve, 350))
  expect(a.seen).toHaveLength(1)
})

test.each([
  ['a refused request', 'status=400', {}, 1],
  ['a refused key', 'status=401', {}, 1],
  ['no such model', 'status=404', {}, 1],
  ['a quota behind a 429', 'status=429;error=insufficient_quota', {}, 1],
  ['a conflict', 'status=409', {}, 2],
  ['an HTML page', 'html', {}, 2],
  ['an HTML page in a 200', 'status=200;html', {}, 2],
  ['an error in a 200', 'status=200;error=server_error', {}, 2],
  ['no HTTP', 'bad-http', {}, 2],
  ['cut inside the body', 'cut=40', {}, 2],
  ['the upstream forbids it', 'status=500;x-should-retry=false', {}, 1],
  ['the upstream allows it', 'status=400;x-should-retry=true', {}, 2],
  ['what is named is retried', 'status=400', { 'Weir-Retry-On': '400' }, 2],
  ['and nothing else', 'status=500', { 'Weir-Retry-On': '400 overloaded' }, 1],
])('%s', async (_, fault, headers, calls) => {
  const { a, ask } = await open()
  a.plan(fault, '')
  const got = await ask(retries(1, headers))
  expect(a.seen).toHaveLength(calls)
  if (calls === 2) expect(got.status).toBe(200)
})

test('what is made in the background is begun again only after a status', async () => {
  const { a, proxy } = await open()
  const inBackground = JSON.stringify({ model: 'gpt-5', background: true, input: 'Think.' })
  const path = '/openai/v1/responses'
  a.plan('reset', '')
  expect((await post(proxy.port, { path, headers: retries(1), body: inBackground })).status).toBe(502)
  expect(a.seen).toHaveLength(1)
  a.plan('status=503', '')
  expect((await post(proxy.port, { path, headers: retries(1), body: inBackground })).status).toBe(200)
  expect(a.seen).toHaveLength(3)
})

test('at most 10 attempts, whatever is asked', async () => {
  const { a, ask } = await open()
  a.plan(...Array.from({ length: 12 }, () => 'status=500'))
  expect((await ask(retries(10))).status).toBe(500)
  expect(a.seen).toHaveLength(10)
})

test('a stream is retried until content has come, and goes out byte for byte', async () => {
  const { a, ask, proxy } = await open()
  a.plan('error-event=opened;error=server_error', 'id=x')
  const got = await ask(retries(1), streamed)
  expect(a.seen).toHaveLength(2)
  expect(got.status).toBe(200)
  const end = await proxy.end(got.id)
  expect(end.attempts.map(({ status, errorKind }) => [status, errorKind])).toEqual([
    [200, 'server'],
    [200, ''],
  ])
  a.plan('id=x')
  expect((await ask({}, streamed)).bytes.toString()).toBe(got.bytes.toString())
})

test('39: a kept connection that was closed meanwhile: once more on a new one, and one attempt', async () => {
  const { a, ask, proxy } = await open()
  for (const headers of [{}, retries(1)]) {
    await ask(headers)
    a.plan('close', '')
    const got = await ask(headers)
    expect(got.status).toBe(200)
    expect(got.headers['weir-attempts']).toMatch(/^"openai\/gpt-4o-mini";status=200;ms=\d+;replayed$/)
    expect((await proxy.end(got.id)).attempts.map(({ status, replayed }) => [status, replayed])).toEqual([[200, true]])
  }
})

test('a call that asks for nothing tells its one attempt', async () => {
  const { a, ask } = await open()
  expect((await ask()).headers['weir-attempts']).toMatch(/^"openai\/gpt-4o-mini";status=200;ms=\d+$/)
  a.plan('status=503')
  expect((await ask()).headers['weir-attempts']).toMatch(/^"openai\/gpt-4o-mini";status=503;kind=overloaded;ms=\d+$/)
  a.plan('reset', 'reset')
  const failed = await ask()
  expect([failed.status, failed.headers['x-should-retry']]).toEqual([502, 'true'])
  expect(failed.headers['weir-attempts']).toMatch(/^"openai\/gpt-4o-mini";kind=network;ms=\d+(;replayed)?$/)
})

test('a shorter time to connect than the configured one', async () => {
  // Takes the connection, and never speaks TLS.
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void silent.close())
  const { port } = silent.address() as AddressInfo
  const { a, ask, proxy } = await open({ yaml: `  xai: { origin: "https://127.0.0.1:${port}" }\n` })
  const startedAt = performance.now()
  const got = await post(proxy.port, { path: '/xai/v1/chat/completions', headers: { 'Weir-Timeout': 'connect=200' }, body })
  expect(performance.now() - startedAt).toBeLessThan(300)
  expect([got.status, got.headers['weir-error']]).toEqual([504, 'timeout_connect'])
  // One that is open is given its time.
  a.plan('delay=400')
  expect((await ask({ 'Weir-Timeout': 'connect=200' })).status).toBe(200)
  expect((await ask({ 'Weir-Timeout': 'total=9999999' })).headers['weir-warning']).toBe('capped;h="weir-timeout"')
})

test('a proxy that stops waits for no retry', async () => {
  const { a, ask, proxy } = await open({ random: 1, yaml: 'drain: { timeout: 100ms }\n' })
  a.plan('status=500', '')
  const asking = ask(retries(1, { 'Weir-Retry-Min-Timeout': '20000', 'Weir-Retry-Max-Timeout': '20000' }))
  await expect.poll(() => a.seen[0]?.sent).toBeTruthy()
  const drained = proxy.drain()
  const got = await asking
  expect([got.status, got.headers['weir-error'], a.seen.length]).toEqual([503, 'draining', 1])
  await drained
  expect((await proxy.end(got.id)).attempts).toMatchObject([{ status: 500, errorKind: 'server' }])
})
