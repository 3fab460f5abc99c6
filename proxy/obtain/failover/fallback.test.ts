import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { post, startTestProxy, type Got, type Sent, type TestProxy } from '../cache/testing.js'

// Other targets, through a running proxy: the cases of routing.md §11 by their numbers. A is OpenAI, B is Groq.

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const streamed = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Hello?' }] })
const toB = { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' }

interface Scene {
  readonly a: FakeProvider
  readonly b: FakeProvider
  readonly proxy: TestProxy
  ask(headers?: Record<string, string>, sent?: string, more?: Partial<Sent>): Promise<Got>
}

const open = async (more = ''): Promise<Scene> => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  onTestFinished(() => a.close())
  onTestFinished(() => b.close())
  const yaml = `${['groq', 'mistral', 'xai', 'together', 'cerebras', 'deepseek'].map((name) => `  ${name}: { origin: "${b.origin}" }\n`).join('')}${more}`
  const proxy = await startTestProxy(a.origin, { random: () => 0, yaml })
  return { a, b, proxy, ask: (headers = {}, sent = body, rest = {}) => post(proxy.port, { headers, body: sent, ...rest }) }
}

test('22, 24: the next target answers, with its own key and model; every other byte is the same', async () => {
  const { a, b, proxy, ask } = await open()
  const sent = `{ "model" : "gpt-4o-mini","seed":12345678901234567890, "messages":[{"role":"user","content":"é"}]}`
  for (const fault of ['status=500', 'status=401']) {
    a.plan(fault)
    const headers = { 'openai-organization': 'org-1', cookie: 'c=1', 'x-mine': 'kept', 'x-api-key': 'sk-also', ...toB }
    const got = await ask(headers, sent)
    expect([got.status, got.headers['weir-fallback-index']]).toEqual([200, '1'])
    expect([got.headers['weir-provider'], got.headers['weir-model']]).toEqual(['groq', 'llama-3.3-70b'])
    expect(got.headers['helicone-fallback-index']).toBeUndefined()
    const end = await proxy.end(got.id)
    expect(end).toMatchObject({
      provider: 'groq',
      target: 'groq/llama-3.3-70b',
      requestModel: 'llama-3.3-70b',
      serverAddress: b.origin.slice(7),
      altered: ['model'],
    })
    expect(end.attempts.map(({ target, provider, status }) => [target, provider, status])).toEqual([
      ['openai/gpt-4o-mini', 'openai', fault === 'status=500' ? 500 : 401],
      ['groq/llama-3.3-70b', 'groq', 200],
    ])
    const seen = b.seen.at(-1)
    expect(seen?.path).toBe('/openai/v1/chat/completions')
    expect(seen?.body).toBe(sent.replace('gpt-4o-mini', 'llama-3.3-70b'))
    expect(seen?.headers).toMatchObject({ authorization: 'Bearer gsk_b', 'x-mine': 'kept', 'content-type': 'application/json' })
    for (const name of ['cookie', 'x-api-key', 'openai-organization', 'weir-fallback', 'weir-groq-key'])
      expect(seen?.headers[name]).toBeUndefined()
    expect(a.seen.at(-1)?.headers).toMatchObject({
      authorization: 'Bearer sk-one',
      'openai-organization': 'org-1',
      cookie: 'c=1',
    })
  }
})

test('23: a bad request is nobody’s else', async () => {
  const { a, b, ask } = await open()
  a.plan('status=400')
  const got = await ask(toB)
  expect([got.status, b.seen.length, got.headers['weir-fallback-index'], got.headers['x-should-retry']]).toEqual([
    400,
    0,
    '0',
    undefined,
  ])
})

test('25: a target without a key is passed over', async () => {
  const { a, b, ask } = await open()
  a.plan('status=500')
  const got = await ask({ 'Weir-Fallback': 'groq/llama-3.3-70b' })
  expect([got.status, a.seen.length, b.seen.length, got.headers['x-should-retry']]).toEqual([500, 1, 0, undefined])
  expect(got.headers['weir-attempts']).toMatch(
    /^"groq\/llama-3\.3-70b";skipped=no_credential, "openai\/gpt-4o-mini";status=500;kind=server;ms=\d+$/,
  )
})

test('26: overrides are merged into the original body each time', async () => {
  const { a, b, ask, proxy } = await open()
  const entries = [
    { target: 'openai', bodyKeyOverride: { model: 'gpt-4.1', metadata: { b: 2 }, stop: ['x'] } },
    {
      target: 'groq/one',
      headers: { authorization: 'Bearer gsk_1' },
      bodyKeyOverride: { temperature: 1, metadata: { c: null } },
    },
    { target: 'groq/two', headers: { Authorization: 'Bearer gsk_2', 'X-Own': 'yes', Host: 'evil' } },
  ]
  a.plan('status=500')
  b.plan('status=500', '')
  const sent = JSON.stringify({ model: 'gpt-4o', metadata: { a: 1 }, stop: ['y', 'z'], messages: [] })
  const got = await ask({ 'Helicone-Fallbacks': JSON.stringify(entries), 'user-agent': 'me', 'x-mine': 'gone' }, sent)
  expect([got.status, got.headers['weir-fallback-index'], got.headers['helicone-fallback-index']]).toEqual([200, '2', '2'])
  expect(JSON.parse(a.seen[0]?.body ?? '')).toEqual({ model: 'gpt-4.1', metadata: { a: 1, b: 2 }, stop: ['x'], messages: [] })
  expect(a.seen[0]?.headers).toMatchObject({ authorization: 'Bearer sk-one' })
  expect(JSON.parse(b.seen[0]?.body ?? '')).toEqual({
    model: 'one',
    metadata: { a: 1, c: null },
    stop: ['y', 'z'],
    messages: [],
    temperature: 1,
  })
  expect(b.seen[1]?.body).toBe(sent.replace('gpt-4o', 'two'))
  expect(b.seen[1]?.headers).toMatchObject({
    authorization: 'Bearer gsk_2',
    'x-own': 'yes',
    'user-agent': 'me',
    'content-type': 'application/json',
    host: b.origin.slice(7),
  })
  expect(b.seen[1]?.headers['x-mine']).toBeUndefined()
  const end = await proxy.end(got.id)
  expect(end.attempts.map(({ model }) => model)).toEqual(['gpt-4.1', 'one', 'two'])
})

test('targets by their address, as Helicone has them', async () => {
  const { a, b, ask } = await open()
  const entries = [
    { 'target-url': a.origin, headers: { Authorization: 'Bearer sk-a' }, onCodes: [{ from: 400, to: 599 }] },
    { 'target-url': `${b.origin}/openai`, headers: { Authorization: 'Bearer gsk_b' }, bodyKeyOverride: { model: 'llama' } },
  ]
  a.plan('status=400')
  const got = await ask({ 'Weir-Fallbacks': JSON.stringify(entries) })
  expect([got.status, got.headers['weir-provider'], got.headers['weir-model']]).toEqual([200, 'groq', 'llama'])
  expect(a.seen[0]).toMatchObject({ path: '/v1/chat/completions', headers: { authorization: 'Bearer sk-a' } })
  expect(b.seen[0]).toMatchObject({ path: '/openai/v1/chat/completions', headers: { authorization: 'Bearer gsk_b' } })
  a.plan('status=500')
  const dropped = await ask({ 'Helicone-Fallbacks': JSON.stringify(entries) })
  // Of the providers at that address now the first that takes the path.
  expect([dropped.status, b.seen[1]?.path]).toEqual([200, '/v1/chat/completions'])
  expect(dropped.headers['weir-warning']).toContain('path-dropped')
  const denied = await ask({ 'Helicone-Fallbacks': '[{"target-url":"http://169.254.169.254"}]' })
  expect([denied.status, denied.headers['weir-error'], a.seen.length]).toEqual([403, 'target_denied', 2])
})

test('onCodes tell after what an entry is left', async () => {
  const { a, b, ask } = await open()
  const entries = (onCodes: unknown): string =>
    JSON.stringify([
      { target: 'openai', onCodes },
      { target: 'groq/two', headers: { authorization: 'Bearer b' } },
    ])
  a.plan('status=400')
  expect((await ask({ 'Weir-Fallbacks': entries([{ from: 400, to: 499 }]) })).status).toBe(200)
  a.plan('status=500')
  expect((await ask({ 'Weir-Fallbacks': entries([429]) })).status).toBe(500)
  // What no status tells of is left all the same.
  a.plan('close', 'close')
  expect((await ask({ 'Weir-Fallbacks': entries([429]) })).status).toBe(200)
  expect(b.seen).toHaveLength(2)
})

test('on= tells after what a target is tried', async () => {
  const { a, b, ask } = await open()
  const headers = { 'Weir-Fallback': 'groq/one;on="5xx", groq/two;on="400 rate_limit"', 'Weir-Groq-Key': 'k' }
  for (const [fault, model] of [
    ['status=503', 'one'],
    ['status=429', 'two'],
    ['status=400', 'two'],
  ] as const) {
    a.plan(fault)
    expect((await ask(headers)).headers['weir-model']).toBe(model)
    expect(JSON.parse(b.seen.at(-1)?.body ?? '')).toMatchObject({ model })
  }
  a.plan('status=401')
  expect((await ask(headers)).status).toBe(401)
})

test('the same provider and origin lets the caller’s key in, and no other does', async () => {
  const { a, ask } = await open()
  a.plan('status=404', '')
  const got = await ask({ 'Weir-Fallback': 'openai/gpt-4.1' })
  expect([got.status, got.headers['weir-model']]).toEqual([200, 'gpt-4.1'])
  expect(a.seen[1]?.headers.authorization).toBe('Bearer sk-one')
  // Anthropic is at the same address here, and is another provider.
  a.plan('status=404', '')
  expect((await ask({ 'Weir-Fallback': 'anthropic/claude-sonnet-4-6' })).headers['weir-attempts']).toContain(
    'skipped=no_credential',
  )
  expect(a.seen).toHaveLength(3)
})

test('a target of another model in the path', async () => {
  const { a, proxy } = await open()
  a.plan('status=503', '')
  const got = await post(proxy.port, {
    path: '/gemini/v1beta/models/gemini-2.5-pro:generateContent?key=AIza1',
    headers: { authorization: '', 'Weir-Fallback': 'gemini/gemini-2.5-flash' },
    body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hello?' }] }] }),
  })
  expect(got.status).toBe(200)
  expect(a.seen.map(({ path }) => path)).toEqual([
    '/v1beta/models/gemini-2.5-pro:generateContent?key=AIza1',
    '/v1beta/models/gemini-2.5-flash:generateContent?key=AIza1',
  ])
  expect(a.seen[1]?.bodySha256).toBe(a.seen[0]?.bodySha256)
  expect(await proxy.end(got.id)).toMatchObject({ requestModel: 'gemini-2.5-flash', altered: [] })
})

test('27: an overloaded stream gives way to a clean one', async () => {
  const { a, proxy } = await open()
  const send = (headers: Record<string, string> = {}): Promise<Got> =>
    post(proxy.port, {
      path: '/anthropic/v1/messages',
      headers: { authorization: '', 'x-api-key': 'sk-ant-1', 'anthropic-version': '2023-06-01', ...headers },
      body: JSON.stringify({
        model: 'claude-sonnet-4-6',
        max_tokens: 10,
        stream: true,
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    })
  for (const fault of ['error-event=first', 'error-event=opened']) {
    a.plan(fault, 'id=x')
    const got = await send({ 'Weir-Fallback': 'anthropic/claude-haiku-4-5' })
    expect(got.status).toBe(200)
    const end = await proxy.end(got.id)
    expect(end.attempts.map(({ status, errorKind }) => [status, errorKind])).toEqual([
      [200, 'overloaded'],
      [200, ''],
    ])
    expect(end).toMatchObject({ outcome: 'complete', requestModel: 'claude-haiku-4-5' })
    expect(got.bytes.toString()).not.toContain('overloaded')
    // What had begun is kept: an attempt of its own, with what it told of its usage.
    expect(end.attempts[0]?.usageRaw).toHaveLength(fault === 'error-event=opened' ? 1 : 0)
  }
})

test('28: once content has come nothing else is tried', async () => {
  const { a, b, ask, proxy } = await open()
  a.plan('error-event=last')
  const got = await ask(toB, streamed)
  expect([got.status, got.end, b.seen.length]).toEqual([200, 'whole', 0])
  await expect.poll(() => a.seen[0]?.sent?.bytes).toBe(got.bytes.length)
  expect(await proxy.end(got.id)).toMatchObject({ outcome: 'error_event', attempts: [{ status: 200, errorKind: 'server' }] })
})

test('29, 30: cut after content: our event on a boundary, else a broken connection', async () => {
  const { a, b, ask, proxy } = await open()
  a.plan('id=x')
  const whole = (await ask({}, streamed)).bytes
  // After the third event, and inside of the fourth.
  let at = 0
  for (let i = 0; i < 3; i++) at = whole.indexOf('\n\n', at) + 2
  a.plan(`id=x;cut=${at}`)
  const clean = await ask(toB, streamed)
  expect(clean.end).toBe('whole')
  expect(clean.bytes.subarray(0, at).equals(whole.subarray(0, at))).toBe(true)
  expect(JSON.parse(clean.bytes.subarray(at).toString().slice(6))).toMatchObject({ error: { code: 'upstream_reset' } })
  expect(clean.bytes.includes('[DONE]')).toBe(false)
  expect(await proxy.end(clean.id)).toMatchObject({ outcome: 'upstream_abort' })
  a.plan(`id=x;cut=${at + 9}`)
  const cut = await ask(toB, streamed)
  expect(cut.end).toBe('cut')
  expect(b.seen).toHaveLength(0)
})

test('31: with nothing left to try the first chunk goes at once', async () => {
  const { a, ask } = await open()
  a.plan('gap=400;chunks=1')
  const got = await ask({ 'Weir-Timeout': 'total=20000' }, streamed)
  expect(got.arrivals[0]).toBeLessThan(300)
  // With another target left it waits for content.
  a.plan('gap=400;chunks=1')
  const held = await ask(toB, streamed)
  expect(held.arrivals[0]).toBeGreaterThan(350)
  expect(held.bytes.length).toBe(got.bytes.length)
})

test('32: a target that is silent is left', async () => {
  const { a, ask, proxy } = await open()
  for (const fault of ['hang', 'stall=0', 'stall=300']) {
    a.plan(fault)
    const got = await ask({ ...toB, 'Weir-Timeout': 'ttft=200' }, streamed)
    expect(got.status).toBe(200)
    expect(got.headers['weir-attempts']).toMatch(/kind=timeout_ttft;ms=2\d\d, "groq/)
    expect((await proxy.end(got.id)).attempts.map(({ errorKind }) => errorKind)).toEqual(['timeout_ttft', ''])
  }
})

test('a target’s own times are for its attempts alone', async () => {
  const { a, b, ask } = await open()
  a.plan('status=500')
  b.plan('hang', '')
  const got = await ask({ 'Weir-Fallback': 'groq/one;timeout=200, groq/two', 'Weir-Groq-Key': 'k' })
  expect([got.status, got.headers['weir-model']]).toEqual([200, 'two'])
  expect(got.headers['weir-attempts']).toContain('"groq/one";kind=timeout_ttft')
})

test('33: an answer that stands still is ended by our event', async () => {
  const { a, ask, proxy } = await open()
  a.plan('id=x')
  const whole = (await ask({}, streamed)).bytes
  let at = 0
  for (let i = 0; i < 3; i++) at = whole.indexOf('\n\n', at) + 2
  a.plan(`id=x;stall=${at}`)
  const got = await ask({ 'Weir-Timeout': 'idle=300' }, streamed)
  expect(got.end).toBe('whole')
  expect((got.arrivals.at(-1) ?? 0) - (got.arrivals.at(-2) ?? 0)).toBeLessThan(400)
  expect(got.bytes.subarray(at).toString()).toContain('timeout_idle')
  expect(await proxy.end(got.id)).toMatchObject({ outcome: 'stall', error: { kind: 'timeout_idle' } })
})

test('35: 8 targets, R:5, all fail: 10 calls, each target at least one', async () => {
  const { a, b, ask, proxy } = await open()
  a.plan(...Array.from({ length: 20 }, () => 'status=500'))
  b.plan(...Array.from({ length: 20 }, () => 'status=500'))
  const names = ['groq/m1', 'mistral/m2', 'xai/m3', 'together/m4', 'cerebras/m5', 'deepseek/m6', 'groq/m7']
  const keys = ['Groq', 'Mistral', 'Xai', 'Together', 'Cerebras', 'Deepseek'].map((name) => [`Weir-${name}-Key`, 'k'])
  const got = await ask({ ...Object.fromEntries(keys), 'Weir-Fallback': names.join(', '), 'Weir-Retry-Enabled': 'true' })
  expect([got.status, got.headers['weir-fallback-index'], got.headers['x-should-retry']]).toEqual([500, '7', 'false'])
  const end = await proxy.end(got.id)
  expect(end.attempts.map(({ target }) => target)).toEqual([
    'openai/gpt-4o-mini',
    'openai/gpt-4o-mini',
    'openai/gpt-4o-mini',
    ...names,
  ])
})

test('asked to wait longer than is good for a caller: the next target at once', async () => {
  const { a, b, ask } = await open()
  a.plan('status=429;retry-after=5')
  const startedAt = performance.now()
  expect((await ask({ ...toB, 'Weir-Retry-Enabled': 'true' })).status).toBe(200)
  expect(performance.now() - startedAt).toBeLessThan(2000)
  expect([a.seen.length, b.seen.length]).toEqual([1, 1])
})

test.each([
  ['a stream', 'encoding=gzip', streamed],
  ['a body', 'encoding=gzip', body],
  ['brotli', 'encoding=br', streamed],
])('an encoded answer is read, and goes out as it came: %s', async (_, encoding, sent) => {
  const { a, b, ask, proxy } = await open()
  a.plan(`${encoding};error-event=first;status=${sent === body ? 500 : 0}`.replace(';status=0', ''))
  b.plan(`${encoding};id=x`)
  const got = await ask({ ...toB, 'accept-encoding': 'gzip, br', 'Weir-Stream-Usage': 'off' }, sent)
  expect([got.status, got.headers['content-encoding']]).toEqual([200, encoding.slice(9)])
  await expect.poll(() => b.seen[0]?.sent?.bytes).toBe(got.bytes.length)
  expect((await proxy.end(got.id)).attempts.map(({ errorKind }) => errorKind)).toEqual(['server', ''])
})

test('relayed unread: nothing is tried again, and a warning says so', async () => {
  const { a, ask } = await open()
  a.plan('status=500')
  const got = await ask({ 'Weir-Retry-Enabled': 'true' }, body, { path: '/openai/v1/files' })
  expect([got.status, a.seen.length, got.headers['weir-warning']]).toEqual([500, 1, 'no-failover'])
})

test.each([
  ['Weir-Fallback', '@nowhere'],
  ['Weir-Fallback', '"@nowhere"'],
  ['Weir-Fallback', 'nobody/knows'],
  ['Weir-Fallback', 'azure/gpt-5'],
  ['Helicone-Fallbacks', '[{"target":"nobody/knows"}]'],
  ['Weir-Fallback', 'groq/a;retries=11'],
  ['Helicone-Fallbacks', 'no json'],
])('what leads nowhere is refused before anything is sent: %s: %s', async (name, value) => {
  const { a, ask } = await open()
  const got = await ask({ [name]: value })
  expect([got.status, a.seen.length]).toEqual([400, 0])
  expect(got.bytes.toString()).toContain(name)
})

test('the cost in the answer is that of all attempts', async () => {
  const { a, ask } = await open()
  // Refused attempts cost nothing: 1,000 x 0.15 and 100 x 0.60 a million.
  a.plan('status=500', 'input=1000;output=100')
  const refused = await ask({ 'Weir-Retry-Enabled': 'true', 'Weir-Cost-Report': 'true' })
  expect([refused.headers['weir-cost'], refused.headers['weir-cost-source']]).toEqual(['0.00021', 'usage'])
  // One that was silent may have worked all the while: its input is billed, 1,000 x 2.50 a million.
  a.plan('hang', 'input=1000;output=100')
  const silent = await ask(
    { 'Weir-Fallback': 'openai/gpt-4o-mini', 'Weir-Timeout': 'ttft=150', 'Weir-Cost-Report': 'true' },
    body.replace('gpt-4o-mini', 'gpt-4o'),
  )
  expect([silent.headers['weir-cost'], silent.headers['weir-cost-source']]).toEqual(['0.00271', 'estimated'])
})

test('36: the client leaves while the answer is held: the upstream is closed, and nobody else is asked', async () => {
  const { a, b, proxy, ask } = await open()
  a.plan('gap=2000')
  let leave = (): void => undefined
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const asking = ask(toB, streamed, { leave: left })
  await expect.poll(() => a.seen[0]?.bodySha256).toBeTruthy()
  // The head and the first chunk have come by now.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const leftAt = performance.now()
  leave()
  await asking
  await expect.poll(() => a.seen[0]?.aborted, { interval: 5 }).toBe(true)
  expect(performance.now() - leftAt).toBeLessThan(250)
  await expect.poll(() => proxy.records.length).toBe(2)
  expect(proxy.records[1]?.exchange).toMatchObject({ outcome: 'client_abort', attempts: [{ errorKind: 'client' }] })
  expect(b.seen).toHaveLength(0)
})

test('a body of over 10 MiB is sent again from its file; what it would have to be altered for is passed over', async () => {
  const { a, b, ask } = await open()
  const long = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'x'.repeat(11 * 1024 ** 2) }] })
  a.plan('status=500', 'status=500')
  const got = await ask(
    { 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Num': '1', 'Weir-Fallback': 'groq/other, groq', 'Weir-Groq-Key': 'k' },
    long,
  )
  expect(got.status).toBe(200)
  expect(got.headers['weir-attempts']).toMatch(
    /^"groq\/other";skipped=body_unalterable, .*"groq\/gpt-4o-mini";status=200;ms=\d+$/,
  )
  expect(new Set([...a.seen, ...b.seen].map(({ bodySha256 }) => bodySha256)).size).toBe(1)
  expect([a.seen.length, b.seen.length]).toEqual([2, 1])
})
