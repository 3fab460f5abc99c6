import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { openRedisLimits } from '../../state/redis-limits.js'
import { openRedisLink } from '../../state/redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from '../../state/testing-redis.js'
import type { LimitStore, Taken } from '../../state/limit-store.js'
import { post, startTestProxy, type Got, type Sent, type TestProxy } from '../cache/testing.js'

interface House {
  readonly fake: FakeProvider
  readonly proxy: TestProxy
  call(sent?: Partial<Sent>): Promise<Got>
}

const chat = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }], ...more })

const house = async (yaml = '', more: { readonly limitStore?: LimitStore; readonly now?: () => number } = {}): Promise<House> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const proxy = await startTestProxy(fake.origin, { yaml, ...more })
  return { fake, proxy, call: (sent = {}) => post(proxy.port, { body: chat(), ...sent }) }
}

const weir = (policy: string, more: Readonly<Record<string, string>> = {}) => ({
  headers: { 'weir-ratelimit-policy': policy, ...more },
})
const helicone = (policy: string, more: Readonly<Record<string, string>> = {}) => ({
  headers: { 'helicone-ratelimit-policy': policy, ...more },
})
const year = 31_536_000
const remaining = ({ headers }: Got): number => Number(headers['weir-ratelimit-remaining'])
const error = (got: Got): Record<string, unknown> =>
  (JSON.parse(got.bytes.toString()) as { error: Record<string, unknown> }).error

test('48 two a minute: the third is refused, with the time until it fits', async () => {
  const { fake, proxy, call } = await house()
  const [first, second, third] = [await call(weir('2;w=60')), await call(weir('2;w=60')), await call(weir('2;w=60'))]
  expect([first.status, second.status, third.status]).toEqual([200, 200, 429])
  expect([remaining(first), remaining(second), remaining(third)]).toEqual([1, 0, 0])
  expect(third.headers).toMatchObject({
    'weir-ratelimit-limit': '2',
    'weir-ratelimit-policy': '2;w=60;u=request',
    'weir-error': 'rate_limited',
    'x-should-retry': 'true',
    'weir-cost': '0',
    'ratelimit-policy': '"policy-1";q=2;w=60',
  })
  const retryAfter = Number(third.headers['retry-after'])
  expect(retryAfter).toBeGreaterThanOrEqual(1)
  expect(retryAfter).toBeLessThanOrEqual(30)
  expect(Number(third.headers['weir-ratelimit-reset'])).toBeLessThanOrEqual(60)
  expect(third.headers['ratelimit']).toBe(`"policy-1";r=0;t=${String(third.headers['weir-ratelimit-reset'])}`)
  expect(Object.keys(third.headers).filter((name) => name.startsWith('helicone'))).toEqual([])
  expect(error(third)).toMatchObject({ type: 'rate_limit_error', code: 'rate_limited' })
  expect(fake.total()).toBe(2)
  expect(await proxy.end(third.id)).toMatchObject({
    outcome: 'refused',
    status: 429,
    attempts: [],
    error: { kind: 'rate_limit', code: 'rate_limited' },
  })
  expect((await call()).headers['weir-ratelimit-limit']).toBeUndefined()
})

test('49 a refusal by one policy takes nothing from the other', async () => {
  const { call } = await house()
  const both = weir(`10;w=${year}, 1;w=${year};s=user`, { 'weir-user-id': 'ada' })
  expect((await call(both)).status).toBe(200)
  const refused = await call(both)
  expect(refused.status).toBe(429)
  expect(refused.headers['weir-ratelimit-policy']).toBe(`1;w=${year};u=request;s=user`)
  expect(refused.headers['ratelimit-policy']).toBe(`"policy-1";q=10;w=${year}, "policy-2";q=1;w=${year}`)
  expect(remaining(await call(weir(`10;w=${year}`)))).toBe(8)
})

test('50 without a value for the segment: one bucket for all of them, or passed visibly', async () => {
  const { proxy, call } = await house()
  const policy = `1;w=${year};s=user`
  expect([(await call(weir(policy))).status, (await call(weir(policy))).status]).toEqual([200, 429])
  const passed = [await call(helicone(policy)), await call(helicone(policy))]
  for (const got of passed) {
    expect(got.status).toBe(200)
    expect(got.headers).toMatchObject({
      'weir-ratelimit-error': 'segment_missing',
      'helicone-ratelimit-error': 'segment_missing',
      'weir-warning': 'segment-missing;h="helicone-ratelimit-policy"',
    })
    expect((await proxy.end(got.id)).warnings).toEqual(['segment-missing;h="helicone-ratelimit-policy"'])
  }
  expect((await call(helicone(`${policy};missing=shared`))).status).toBe(429)
  const denied = await call(weir(`${policy};missing=deny`))
  expect(denied.status).toBe(400)
  expect(error(denied)).toMatchObject({ code: 'bad_header', param: 'Weir-User-Id' })
  expect((await call(weir(`${policy};missing=allow`))).headers['weir-ratelimit-error']).toBe('segment_missing')
})

test('51 tokens: 1,500 reserved, 200 used', async () => {
  const { call } = await house()
  const quota = 100_000
  // 2,000 bytes are 500 tokens; 1,000 may be answered.
  const body = (text: string): string => JSON.stringify({ model: 'gpt-5-mini', max_tokens: 1000, x: text })
  const padded = body('a'.repeat(2000 - body('').length))
  expect(padded).toHaveLength(2000)
  const policy = weir(`${quota};w=${year};u=tokens`, { 'x-fake': 'input=150;output=50' })
  const during = await call({ ...policy, body: padded })
  expect(remaining(during)).toBe(quota - 1500)
  const next = await call({ ...policy, body: padded })
  expect(remaining(next)).toBe(quota - 200 - 1500)
})

test('52 an answer from the cache is free of limits', async () => {
  const { call } = await house()
  const cached = weir(`1;w=${year}`, { 'weir-cache-enabled': 'true' })
  expect((await call(cached)).headers['weir-cache']).toBe('MISS')
  const hit = await call(cached)
  expect([hit.status, hit.headers['weir-cache'], hit.headers['weir-ratelimit-limit']]).toEqual([200, 'HIT', undefined])
  expect((await call({ ...cached, body: chat({ n: 1 }) })).status).toBe(429)
})

test('54 the refusal wears the schema of its family', async () => {
  const { call } = await house()
  const body = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] })
  const gemini = { ...weir(`1;w=${year}`), path: '/gemini/v1beta/models/gemini-2.5-flash:generateContent', body }
  expect((await call(gemini)).status).toBe(200)
  const refused = await call(gemini)
  expect(refused.status).toBe(429)
  expect(error(refused)).toMatchObject({
    code: 429,
    status: 'RESOURCE_EXHAUSTED',
    details: [{ reason: 'RATE_LIMITED', domain: 'weir' }],
  })
  // A year's wait is nothing to retry for.
  expect(refused.headers['x-should-retry']).toBe('false')
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(60)
  const claude = await call({ ...weir(`0;w=60`), path: '/anthropic/v1/messages' })
  expect(JSON.parse(claude.bytes.toString())).toMatchObject({
    type: 'error',
    error: { type: 'rate_limit_error', code: 'rate_limited' },
  })
  expect(claude.headers['retry-after']).toBe('60')
})

describe('both dialects', () => {
  test('a bad policy of ours names the place, and nothing is sent', async () => {
    const { fake, call } = await house()
    const got = await call(weir('10;w=60, 5;w=x'))
    expect(got.status).toBe(400)
    expect(error(got)).toMatchObject({ code: 'bad_header', param: 'weir-ratelimit-policy' })
    expect(String(error(got).message)).toContain('at character 14')
    expect(String(error(got).message)).toContain('100;w=60')
    expect(fake.total()).toBe(0)
  })

  test('a bad policy of Helicone\u2019s passes visibly, and is refused where that is configured', async () => {
    const { proxy, call } = await house()
    const got = await call(helicone('10;w=x'))
    expect(got.status).toBe(200)
    expect(got.headers).toMatchObject({
      'weir-ratelimit-error': 'invalid_policy',
      'helicone-ratelimit-error': 'invalid_policy',
      'weir-warning': 'bad-value;h="helicone-ratelimit-policy"',
    })
    expect((await proxy.end(got.id)).warnings).toEqual(['bad-value;h="helicone-ratelimit-policy"'])
    const metrics = await (await fetch(`http://127.0.0.1:${proxy.port}/metrics`)).text()
    expect(metrics).toContain('weir_limit_unenforced_total{reason="invalid_policy"} 1')
    const strict = await house('compat: { helicone: strict }\n')
    expect((await strict.call(helicone('10;w=x'))).status).toBe(400)
    const shared = helicone(`1;w=${year};s=user`)
    expect([(await strict.call(shared)).status, (await strict.call(shared)).status]).toEqual([200, 429])
  })

  test('twins go out with the answer and with the refusal', async () => {
    const { call } = await house()
    const policy = helicone(`1;w=${year};u=request;s=user`, { 'helicone-user-id': 'ada' })
    const passed = await call(policy)
    expect(passed.headers).toMatchObject({
      'helicone-ratelimit-limit': '1',
      'helicone-ratelimit-remaining': '0',
      'helicone-ratelimit-policy': `1;w=${year};u=request;s=user`,
    })
    const refused = await call(policy)
    expect(refused.status).toBe(429)
    expect(refused.headers).toMatchObject({ 'x-helicone-error': 'rate_limited', 'helicone-ratelimit-remaining': '0' })
  })

  test('several lines are one list; ours goes before Helicone\u2019s', async () => {
    const { call } = await house()
    const got = await call({
      headers: { 'weir-ratelimit-policy': ['10;w=60', '5;w=1'] as unknown as string, 'helicone-ratelimit-policy': '1;w=60' },
    })
    expect(got.headers['ratelimit-policy']).toBe('"policy-1";q=10;w=60, "policy-2";q=5;w=1')
    expect(got.headers['weir-warning']).toBe('shadowed;h="helicone-ratelimit-policy"')
  })
})

describe('segments', () => {
  test.each<readonly [string, object, object, object, object]>([
    ['user', { 'weir-user-id': 'ada' }, { 'weir-user-id': 'bob' }, {}, {}],
    ['user', {}, {}, { user: 'ada' }, { user: 'bob' }],
    ['@session', { 'weir-session-id': '1' }, { 'weir-session-id': '2' }, {}, {}],
    ['@key', { authorization: 'Bearer sk-a' }, { authorization: 'Bearer sk-b' }, {}, {}],
    ['@model', {}, {}, { model: 'gpt-5' }, { model: 'gpt-5-mini' }],
    ['team', { 'weir-property-team': 'a' }, { 'Helicone-Property-Team': 'b' }, {}, {}],
    ['Team', { 'weir-property-TEAM': 'a' }, { 'weir-property-team': 'x'.repeat(1000) }, {}, {}],
  ])('%s has a bucket for each value', async (segment, one, two, oneBody, twoBody) => {
    const { call } = await house()
    const as = (headers: object, body: object) =>
      call({ ...weir(`1;w=${year};s=${segment};missing=deny`, { ...headers }), body: chat(body) }).then(({ status }) => status)
    expect(await as(one, oneBody)).toBe(200)
    expect(await as(two, twoBody)).toBe(200)
    expect(await as(one, oneBody)).toBe(429)
    expect(await as(two, twoBody)).toBe(429)
  })
})

describe('policies of the operator', () => {
  const yaml = `limits:\n  policies:\n    - { policy: "2;w=${year};s=@key;name=each" }\n    - { policy: "0;w=60", keys: ["nobody"] }\n`

  test('hold for callers that ask for nothing, and callers cannot widen them', async () => {
    const { call } = await house(yaml)
    const first = await call()
    expect(first.headers).toMatchObject({
      'weir-ratelimit-policy': `2;w=${year};u=request;s=@key;name=each`,
      'ratelimit-policy': `"each";q=2;w=${year}`,
    })
    // The same bucket by its name, and much wider: a caller's own is another one.
    const wide = weir(`1000000;w=${year};s=@key`)
    expect((await call(wide)).status).toBe(200)
    const refused = await call(wide)
    expect(refused.status).toBe(429)
    expect(refused.headers['weir-ratelimit-policy']).toBe(`2;w=${year};u=request;s=@key;name=each`)
    expect((await call({ headers: { authorization: 'Bearer other' } })).status).toBe(200)
  })

  test('a bad policy of the caller\u2019s does not take them away', async () => {
    const { call } = await house(yaml)
    const statuses = [await call(helicone('x')), await call(helicone('x')), await call(helicone('x'))].map(({ status }) => status)
    expect(statuses).toEqual([200, 200, 429])
  })

  test('hold for what is relayed unread', async () => {
    const { proxy, call } = await house(yaml)
    const relayed = (headers: Readonly<Record<string, string>> = {}) =>
      fetch(`http://127.0.0.1:${proxy.port}/openai/v1/models`, { headers: { authorization: 'Bearer sk-one', ...headers } })
    const first = await relayed()
    expect([first.status, first.headers.get('weir-ratelimit-remaining')]).toEqual([200, '1'])
    expect((await call()).status).toBe(200)
    const refused = await relayed()
    expect([refused.status, refused.headers.get('weir-error')]).toEqual([429, 'rate_limited'])
    expect((await proxy.end(refused.headers.get('weir-id') ?? '')).outcome).toBe('refused')
    const bad = await relayed({ authorization: 'Bearer two', 'helicone-ratelimit-policy': '1;w=60;s=user' })
    expect([bad.status, bad.headers.get('weir-ratelimit-error')]).toEqual([200, 'segment_missing'])
  })
})

test('a client that leaves a WebSocket while the store is asked has its row', async () => {
  let asked: (() => void) | null = null
  const isAsked = new Promise<void>((resolve) => (asked = resolve))
  let answer: (taken: Taken) => void = () => undefined
  const limitStore: LimitStore = {
    take: () => {
      asked?.()
      return new Promise((resolve) => (answer = resolve))
    },
    settle: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
  const { proxy } = await house('', { limitStore })
  const socket = connect(proxy.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    'GET /openai/v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nWeir-RateLimit-Policy: 1;w=60\r\n\r\n',
  )
  await isAsked
  socket.destroy()
  await expect.poll(async () => (await fetch(`http://127.0.0.1:${proxy.port}/healthz`)).ok).toBe(true)
  answer({ taken: true, states: [{ levelMicro: 0, waitMs: 0, fullMs: 0 }] })
  await expect
    .poll(() => proxy.records.filter(({ type }) => type === 'end').map(({ exchange }) => exchange.outcome))
    .toEqual(['client_abort'])
})

describe('tokens and cents', () => {
  /** What is left of a policy of its own for each test. */
  const probe = async (unit: string, quota: number, one: (at: House, policy: string) => Promise<unknown>): Promise<number> => {
    const at = await house()
    const policy = `${quota};w=${year};u=${unit};missing=shared`
    await one(at, policy)
    const got = await at.call({ ...weir(policy, { 'x-fake': 'input=0;output=0' }), body: chat({ max_tokens: 1 }) })
    // The probe itself reserves its own length and one.
    return remaining(got) + Math.ceil(chat({ max_tokens: 1 }).length / 4) + 1
  }

  test.each([
    ['an answer in one piece', {}, {}],
    ['a stream', { stream: true }, {}],
    ['a stream that tells usage itself', { stream: true, stream_options: { include_usage: true } }, {}],
  ])('%s is settled by its usage', async (_, body, headers) => {
    const rest = await probe('tokens', 1_000_000, (at, policy) =>
      at.call({ ...weir(policy, { 'x-fake': 'input=1200;output=345', ...headers }), body: chat(body) }),
    )
    expect(rest).toBe(1_000_000 - 1545)
  })

  test('what uses nothing gives all of it back', async () => {
    for (const fake of ['status=500', 'status=429', 'reset']) {
      const rest = await probe('tokens', 1_000_000, (at, policy) => at.call(weir(policy, { 'x-fake': fake })))
      expect(rest, fake).toBe(1_000_000)
    }
  })

  test('a call that uses more than it reserved leaves a debt, and the next one waits', async () => {
    const { call } = await house()
    const policy = weir(`2000;w=${year};u=tokens`, { 'x-fake': 'input=1500;output=1500' })
    expect((await call({ ...policy, body: chat({ max_tokens: 10 }) })).status).toBe(200)
    const refused = await call({ ...policy, body: chat({ max_tokens: 10 }) })
    expect([refused.status, remaining(refused)]).toEqual([429, 0])
    // 3,000 were used of 2,000, so 1,000 are owed, and a few are wanted: somewhat more than half a year.
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(year / 2)
    expect(Number(refused.headers['retry-after'])).toBeLessThan(year * 0.6)
  })

  test('a call larger than the quota passes once the bucket is full', async () => {
    const { call } = await house()
    const policy = weir(`100;w=${year};u=tokens`, { 'x-fake': 'input=10;output=10' })
    const got = await call({ ...policy, body: chat({ max_tokens: 5000 }) })
    expect([got.status, remaining(got)]).toEqual([200, 0])
    expect((await call({ ...policy, body: chat({ max_tokens: 5000 }) })).status).toBe(429)
    expect((await call({ ...policy, body: chat({ max_tokens: 5 }) })).status).toBe(200)
  })

  test('retries and other targets take no second request, and all that they used', async () => {
    const { fake, call } = await house()
    const requests = `5;w=${year};s=@session`
    const tokens = `1000000;w=${year};u=tokens;s=@session`
    // Three attempts: two are refused by the provider, which costs nothing; none of them answers.
    const refused = await call(
      weir(`${requests}, ${tokens}`, {
        'x-fake': 'status=500',
        'weir-session-id': '1',
        'weir-retry-enabled': 'true',
        'weir-retry-num': '2',
        'weir-retry-min-timeout': '1',
      }),
    )
    expect([refused.status, fake.total()]).toEqual([500, 3])
    const probe = { body: chat({ max_tokens: 1 }), headers: { 'weir-session-id': '1' } }
    const own = Math.ceil(probe.body.length / 4) + 1
    const after = await call({ ...probe, headers: { ...probe.headers, 'weir-ratelimit-policy': tokens } })
    expect(remaining(after)).toBe(1_000_000 - own)
    const left = await call({ ...probe, headers: { ...probe.headers, 'weir-ratelimit-policy': requests } })
    expect(remaining(left)).toBe(3)
  })

  test('a client that leaves in mid-stream pays for what came', async () => {
    const at = await house()
    const policy = `1000000;w=${year};u=tokens`
    const gone = await at.call({
      ...weir(policy, { 'x-fake': 'bytes=4000;chunks=40;gap=20' }),
      body: chat({ stream: true, max_tokens: 100_000 }),
      leaveAfter: 1500,
    })
    expect(gone.end).toBe('left')
    const end = await at.proxy.end(gone.id)
    expect(end.outcome).toBe('client_abort')
    const input = Math.ceil(chat({ stream: true, max_tokens: 100_000 }).length / 4)
    const used = input + Math.ceil(end.counts.contentChars / 4)
    expect(end.counts.contentChars).toBeGreaterThan(0)
    const next = await at.call({ ...weir(policy), body: chat({ max_tokens: 1 }) })
    expect(remaining(next)).toBe(1_000_000 - used - Math.ceil(chat({ max_tokens: 1 }).length / 4) - 1)
  })

  test('cents: the price of what was used', async () => {
    const yaml =
      'prices:\n  - { provider: openai, model: gpt-5-mini, per: 1M, prices: { input: "1000", output: "2000", cache_read: "100" } }\n'
    const { call } = await house(yaml)
    // Reserved: 1,000 tokens out at $2,000 a million are $2; 40 bytes or so in are less than 3 cents.
    const policy = weir(`10000;w=${year};u=cents`, { 'x-fake': 'input=100;output=200' })
    const first = await call({ ...policy, body: chat({ max_tokens: 1000 }) })
    expect(first.status).toBe(200)
    expect(remaining(first)).toBeLessThanOrEqual(9800)
    expect(remaining(first)).toBeGreaterThan(9790)
    // Used: 100 in at 0.1 cent, 200 out at 0.2 cent: 50 cents.
    const second = await call({ ...policy, body: chat({ max_tokens: 1000 }) })
    expect(remaining(first) - remaining(second)).toBe(50)
  })

  test('cents of a model nobody knows a price of: nothing is reserved and nothing taken', async () => {
    const { call } = await house()
    const policy = weir(`100;w=${year};u=cents`)
    for (let i = 0; i < 3; i++) expect(remaining(await call({ ...policy, body: chat({ model: 'no-such-model-1' }) }))).toBe(100)
  })
})

test('a level outlives the proxy', async () => {
  const { proxy, fake, call } = await house()
  expect((await call(weir(`1;w=${year}`))).status).toBe(200)
  await proxy.drain()
  const again = await startTestProxy(fake.origin, { dataDir: proxy.dataDir })
  expect((await post(again.port, { body: chat(), ...weir(`1;w=${year}`) })).status).toBe(429)
})

test('1,000 at once against a hundred: exactly a hundred pass, in memory', async () => {
  const { fake, call } = await house()
  const all = await Promise.all(Array.from({ length: 1000 }, () => call(weir(`100;w=${year}`))))
  const counts = all.reduce<Record<number, number>>((sum, { status }) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {})
  expect(counts).toEqual({ 200: 100, 429: 900 })
  expect(fake.total()).toBe(100)
})

describe.skipIf(redisServer === null)('with Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startTestRedis(redisServer ?? '')
  })
  afterAll(async () => redis?.close())

  /** @param deadlineMs How long a busy machine may take is not what most of these tests are about. */
  const store = async (deadlineMs = 10_000): Promise<LimitStore> => {
    const link = openRedisLink({ url: redis.url, deadlineMs, changed: () => undefined })
    await link.begun
    return openRedisLimits(link)
  }

  test('1,000 at once against a hundred: exactly a hundred pass, through two proxies', async () => {
    const one = await house('', { limitStore: await store() })
    const two = await startTestProxy(one.fake.origin, { limitStore: await store() })
    const policy = weir(`100;w=${year};s=user`, { 'weir-user-id': 'crowd' })
    const all = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => post(i % 2 === 0 ? one.proxy.port : two.port, { body: chat(), ...policy })),
    )
    expect(all.filter(({ status }) => status === 200)).toHaveLength(100)
    expect(all.filter(({ status }) => status === 429)).toHaveLength(900)
    expect(one.fake.total()).toBe(100)
  })

  test('tokens are settled there, too', async () => {
    const { call } = await house('', { limitStore: await store() })
    const policy = weir(`100000;w=${year};u=tokens;s=user`, { 'weir-user-id': 'tok', 'x-fake': 'input=150;output=50' })
    const first = await call({ ...policy, body: chat({ max_tokens: 1000 }) })
    const second = await call({ ...policy, body: chat({ max_tokens: 1000 }) })
    expect(remaining(first) - remaining(second)).toBe(200)
  })

  test('53 Redis away: calls go on and say so, or are refused; it comes back without a restart', async () => {
    const policy = (user: string) => weir(`1;w=${year};s=user`, { 'weir-user-id': user })
    const open = await house('', { limitStore: await store() })
    const closed = await house('limits: { onStoreError: closed }\n', { limitStore: await store() })
    expect((await open.call(policy('before'))).status).toBe(200)
    await redis.kill()
    const passed = await open.call(policy('before'))
    expect(passed.status).toBe(200)
    expect(passed.headers).toMatchObject({ 'weir-ratelimit-error': 'store_unavailable', 'weir-warning': 'limit-store-down' })
    expect(passed.headers['weir-ratelimit-remaining']).toBeUndefined()
    expect((await open.proxy.end(passed.id)).warnings).toEqual(['limit-store-down'])
    const refused = await closed.call(policy('before'))
    expect(refused.status).toBe(503)
    expect(refused.headers).toMatchObject({
      'weir-error': 'limits_unavailable',
      'retry-after': '1',
      'x-should-retry': 'true',
      'weir-ratelimit-error': 'store_unavailable',
    })
    expect(closed.fake.total()).toBe(0)
    // Who asks for no limit does not notice.
    expect((await closed.call()).status).toBe(200)
    await redis.startAgain()
    for (const { call } of [open, closed])
      await expect.poll(() => call(policy(`after-${String(call === open.call)}`)).then(({ status }) => status)).toBe(429)
  })

  test('Redis killed and started again under load: every call is answered, and limits hold again afterwards', async () => {
    const { call } = await house('', { limitStore: await store() })
    const seen = new Set<unknown>()
    const load = { isOn: true }
    let calls = 0
    const worker = async (user: number): Promise<void> => {
      while (load.isOn) {
        const got = await call(weir(`1000000;w=${year};s=user`, { 'weir-user-id': `load-${user}` }))
        calls++
        expect(got.status).toBe(200)
        seen.add(got.headers['weir-ratelimit-error'] ?? 'enforced')
      }
    }
    const workers = Promise.all(Array.from({ length: 16 }, (_, user) => worker(user)))
    for (let i = 0; i < 3; i++) {
      seen.clear()
      await expect.poll(() => seen.has('enforced')).toBe(true)
      await redis.kill()
      seen.clear()
      await expect.poll(() => seen.has('store_unavailable')).toBe(true)
      await redis.startAgain()
      seen.clear()
      await expect.poll(() => seen.has('enforced')).toBe(true)
    }
    load.isOn = false
    await workers
    expect(calls).toBeGreaterThan(0)
    expect((await call(weir(`1;w=${year};s=user`, { 'weir-user-id': 'last' }))).status).toBe(200)
    expect((await call(weir(`1;w=${year};s=user`, { 'weir-user-id': 'last' }))).status).toBe(429)
  })
})
