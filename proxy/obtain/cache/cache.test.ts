import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import type { CacheStore } from '../../state/cache-store.js'
import { openRedisCache } from '../../state/redis-cache.js'
import { openRedisLink } from '../../state/redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from '../../state/testing-redis.js'
import { post, startTestProxy, testDataDir, type Got, type Sent, type TestProxy } from './testing.js'

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

describe('what is the same call', () => {
  test('43 another tenant of the keys shares nothing: another provider key, another Weir key', async () => {
    const { call } = await house()
    const one = await call({ headers: on, body: chat() })
    const otherKey = await call({ headers: { ...on, authorization: 'Bearer sk-two' }, body: chat() })
    const withWeirKey = await call({ headers: { ...on, 'weir-auth': 'Bearer sk-weir-one' }, body: chat() })
    const otherWeirKey = await call({ headers: { ...on, 'weir-auth': 'Bearer sk-weir-two' }, body: chat() })
    const again = await call({ headers: { ...on, 'weir-auth': 'Bearer sk-weir-one' }, body: chat() })
    expect([one, otherKey, withWeirKey, otherWeirKey, again].map(status)).toEqual(['MISS', 'MISS', 'MISS', 'MISS', 'HIT'])
  })

  test('45 keys that do not count, in both grammars and dialects', async () => {
    const { call } = await house()
    const body = (n: number): string => chat({ a: n, b: { x: n }, messages: [{ role: 'user', content: 'Hi', id: n }] })
    for (const headers of [
      { 'weir-cache-ignore-keys': 'a,b,messages.*.id' },
      { 'weir-cache-ignore-keys': '"a","b.x","messages.*.id"', 'weir-cache-seed': 's' },
      { 'helicone-cache-enabled': 'true', 'helicone-cache-ignore-keys': '"a", "b", "messages.*.id"', 'weir-cache-seed': 't' },
    ]) {
      const answers = [await call({ headers: { ...on, ...headers }, body: body(1) })]
      answers.push(await call({ headers: { ...on, ...headers }, body: body(2) }))
      answers.push(await call({ headers: { ...on, ...headers }, body: chat({ a: 3, temperature: 1 }) }))
      expect(answers.map(status)).toEqual(['MISS', 'HIT', 'MISS'])
    }
  })

  test('a seed, a user and a whole tenant', async () => {
    const { fake, call } = await house('cache: { shared: true }\n')
    const ask = async (headers: Record<string, string>): Promise<unknown> =>
      status(await call({ headers: { ...on, ...headers }, body: chat() }))
    expect(await ask({ 'weir-cache-seed': 'a' })).toBe('MISS')
    expect(await ask({ 'weir-cache-seed': 'b' })).toBe('MISS')
    expect(await ask({ 'helicone-cache-seed': 'a' })).toBe('HIT')
    const user = { 'weir-cache-scope': 'user' }
    expect(await ask(user)).toBe('BYPASS')
    expect(await ask({ ...user, 'weir-user-id': 'ada' })).toBe('MISS')
    expect(await ask({ ...user, 'weir-user-id': 'bob' })).toBe('MISS')
    expect(await ask({ ...user, 'weir-user-id': 'ada' })).toBe('HIT')
    const all = { 'weir-cache-scope': 'tenant' }
    expect(await ask(all)).toBe('MISS')
    expect(await ask({ ...all, authorization: 'Bearer sk-two' })).toBe('HIT')
    expect(fake.total()).toBe(6)
  })

  test('a whole tenant shares nothing unless the operator allows it', async () => {
    const { fake, call } = await house()
    const { status: code, headers } = await call({ headers: { ...on, 'weir-cache-scope': 'tenant' }, body: chat() })
    expect([code, headers['weir-error'], fake.total()]).toEqual([403, 'policy_denied', 0])
  })
})

describe('what is asked for', () => {
  test('44 three slots: three answers, then one of them', async () => {
    const { call } = await house()
    const headers = { ...on, 'weir-cache-bucket-max-size': '3' }
    const answers: Got[] = []
    for (let n = 0; n < 4; n++) answers.push(await call({ headers, body: chat() }))
    expect(answers.map(status)).toEqual(['MISS', 'MISS', 'MISS', 'HIT'])
    const slot = Number(answers[3]?.headers['weir-cache-bucket-idx'])
    expect(answers[3]?.headers['weir-cache-id']).toBe(answers[slot]?.id)
    expect(answers[3]?.bytes).toEqual(answers[slot]?.bytes)
    // Fewer slots: the first of them.
    const one = await call({ headers: on, body: chat() })
    expect([status(one), one.headers['weir-cache-id']]).toEqual(['HIT', answers[0]?.id])
  })

  test('55 no-store passes by, no-cache asks anew and keeps', async () => {
    const { call } = await house()
    const twice = async (directive: string): Promise<unknown[]> => {
      const answers: unknown[] = []
      for (let n = 0; n < 2; n++)
        answers.push(status(await call({ headers: { ...on, 'weir-cache-control': directive }, body: chat() })))
      return answers
    }
    const plain = async (): Promise<Got> => call({ headers: { ...on, 'weir-cache-read': 'true' }, body: chat({ n: 1 }) })
    expect(await twice('no-store')).toEqual(['BYPASS', 'BYPASS'])
    expect(await twice('max-age=0')).toEqual(['BYPASS', 'BYPASS'])
    expect(status(await plain())).toBe('MISS')
    expect(status(await call({ headers: { ...on, 'weir-cache-save': 'false' }, body: chat() }))).toBe('MISS')
    expect(await twice('no-cache')).toEqual(['BYPASS', 'BYPASS'])
    expect(status(await call({ headers: on, body: chat() }))).toBe('HIT')
  })

  test('only reading, only keeping', async () => {
    const { fake, call } = await house()
    const ask = async (headers: Record<string, string>): Promise<unknown> => status(await call({ headers, body: chat() }))
    expect(await ask({ 'weir-cache-read': 'true' })).toBe('MISS')
    expect(await ask({ 'weir-cache-save': 'true' })).toBeUndefined()
    expect(await ask({ 'weir-cache-read': 'true' })).toBe('HIT')
    expect(await ask({})).toBeUndefined()
    expect(fake.total()).toBe(3)
  })

  test("a call's own Cache-Control counts where ours is silent, and is forwarded", async () => {
    const { fake, call } = await house()
    expect(status(await call({ headers: { ...on, 'cache-control': 'no-store' }, body: chat() }))).toBe('BYPASS')
    expect(fake.seen[0]?.headers['cache-control']).toBe('no-store')
    expect(
      status(
        await call({ headers: { ...on, 'cache-control': 'no-store', 'helicone-cache-control': 'max-age=5' }, body: chat() }),
      ),
    ).toBe('MISS')
    expect(status(await call({ headers: { ...on, 'cache-control': 'max-age="nonsense' }, body: chat() }))).toBe('HIT')
  })

  test('Helicone-* gets its twins', async () => {
    const { call } = await house()
    const headers = { 'helicone-cache-enabled': 'true' }
    const miss = await call({ headers, body: chat() })
    const hit = await call({ headers, body: chat() })
    expect([miss.headers['helicone-cache'], hit.headers['helicone-cache'], hit.headers['helicone-cache-bucket-idx']]).toEqual([
      'MISS',
      'HIT',
      '0',
    ])
    expect(hit.headers['helicone-cache-latency']).toBe(hit.headers['weir-cache-latency'])
  })

  test.each(['0', '21', 'x', '1.5', '-1'])('%s slots: 400 in both dialects', async (slots) => {
    const { fake, call } = await house()
    for (const dialect of ['weir', 'helicone']) {
      const {
        status: code,
        headers,
        bytes,
      } = await call({ headers: { ...on, [`${dialect}-cache-bucket-max-size`]: slots }, body: chat() })
      expect([code, headers['weir-error']]).toEqual([400, 'bad_header'])
      expect(bytes.toString()).toContain('from 1 to 20')
    }
    expect(fake.total()).toBe(0)
  })
})

describe('what is kept', () => {
  test('46 a stream that was cut is not, nor one without its end, with an error in it, or an error', async () => {
    const { fake, call } = await house()
    const body = chat({ stream: true })
    for (const fault of [
      'cut=300',
      'fin=300',
      'end=300',
      'no-terminal',
      'error-event=first',
      'error-event=last',
      'status=500',
      'status=429',
      'html',
    ])
      expect([fault, status(await call({ headers: { ...on, 'x-fake': fault }, body }))]).toEqual([fault, 'MISS'])
    expect(status(await call({ headers: { ...on, 'x-fake': 'id=good' }, body }))).toBe('MISS')
    expect(status(await call({ headers: on, body }))).toBe('HIT')
    expect(fake.total()).toBe(10)
  })

  test('a whole answer that was cut by its length, and one that is no JSON, are not', async () => {
    const { call } = await house()
    for (const fault of ['cut=100', 'wrong-length=+10', 'status=500;html', 'chunked;cut=100'])
      await call({ headers: { ...on, 'x-fake': fault }, body: chat() })
    expect(status(await call({ headers: on, body: chat() }))).toBe('MISS')
  })

  test('nothing that was omitted, is made in the background, is not generated, or is too long', async () => {
    const { fake, call } = await house('cache: { entry: 2KiB }\n')
    const twice = async (sent: Sent): Promise<unknown[]> => [status(await call(sent)), status(await call(sent))]
    expect(await twice({ headers: { ...on, 'weir-omit-response': 'true' }, body: chat() })).toEqual(['MISS', 'MISS'])
    const responses = { path: '/openai/v1/responses', headers: on }
    expect(await twice({ ...responses, body: JSON.stringify({ model: 'gpt-5', input: 'Hi', background: true }) })).toEqual([
      'BYPASS',
      'BYPASS',
    ])
    expect(await twice({ path: '/anthropic/v1/messages/count_tokens', headers: on, body: chat() })).toEqual(['BYPASS', 'BYPASS'])
    expect(await twice({ headers: { ...on, 'x-fake': 'bytes=4096' }, body: chat() })).toEqual(['MISS', 'MISS'])
    expect(fake.total()).toBe(8)
    // What is kept answers a call that wants nothing kept of its own.
    await call({ headers: on, body: chat({ n: 1 }) })
    const omitted = await call({ headers: { ...on, 'weir-omit-response': 'true' }, body: chat({ n: 1 }) })
    expect(status(omitted)).toBe('HIT')
  })

  test('a path that is relayed unread says so', async () => {
    const { call } = await house()
    const { headers } = await call({ path: '/openai/v1/files', headers: on, body: '{}' })
    expect(headers['weir-warning']).toBe('cache-off')
  })

  test.each([
    [
      'Anthropic stream',
      '/anthropic/v1/messages',
      { model: 'claude-sonnet-4-6', max_tokens: 50, stream: true, messages: [{ role: 'user', content: 'Hi' }] },
      'chunks=9',
    ],
    [
      'Gemini stream',
      '/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
      { contents: [{ parts: [{ text: 'Hi' }] }] },
      '',
    ],
    ['Responses stream', '/openai/v1/responses', { model: 'gpt-5', input: 'Hi', stream: true }, ''],
    ['embeddings', '/openai/v1/embeddings', { model: 'text-embedding-3-small', input: 'Hi' }, ''],
    ['moderation', '/openai/v1/moderations', { input: 'Hi' }, ''],
    ['speech', '/openai/v1/audio/speech', { model: 'tts-1', input: 'Hi', voice: 'alloy' }, 'bytes=70000;split=1000'],
    ['gzip', '/openai/v1/chat/completions', { model: 'gpt-5', messages: [{ role: 'user', content: 'Hi' }] }, 'encoding=gzip'],
    [
      'gzip stream',
      '/openai/v1/chat/completions',
      { model: 'gpt-5', stream: true, messages: [{ role: 'user', content: 'Hi' }] },
      'encoding=gzip;split=7',
    ],
    [
      'brotli stream',
      '/openai/v1/chat/completions',
      { model: 'gpt-5', stream: true, messages: [{ role: 'user', content: 'Hi' }] },
      'encoding=br',
    ],
    [
      'stream in odd pieces',
      '/openai/v1/chat/completions',
      { model: 'gpt-5', stream: true, messages: [{ role: 'user', content: 'Hi' }] },
      'split=5',
    ],
  ])('%s: byte for byte, with its head', async (_, path, body, fake) => {
    const { fake: upstream, proxy, call } = await house()
    const sent = { path, headers: { ...on, 'accept-encoding': 'gzip, br', 'x-fake': fake }, body: JSON.stringify(body) }
    const first = await call(sent)
    for (const replay of ['instant', 'paced']) {
      const hit = await call({ ...sent, headers: { ...sent.headers, 'weir-cache-replay': replay } })
      expect([status(first), status(hit), hit.end]).toEqual(['MISS', 'HIT', 'whole'])
      expect(hit.bytes.equals(first.bytes)).toBe(true)
      for (const name of ['content-type', 'content-encoding', 'content-length', 'transfer-encoding'])
        expect([name, hit.headers[name]]).toEqual([name, first.headers[name]])
      const [miss, row] = await Promise.all([proxy.end(first.id), proxy.end(hit.id)])
      const { outcome, usageRaw, responseModel, finishReason, counts } = row
      expect({ outcome, usageRaw, responseModel, finishReason }).toEqual({
        outcome: 'cached',
        usageRaw: miss.usageRaw,
        responseModel: miss.responseModel,
        finishReason: miss.finishReason,
      })
      expect([counts.resBytes, counts.contentChars]).toEqual([miss.counts.resBytes, miss.counts.contentChars])
      expect(row.marksUs.firstContent === null).toBe(miss.marksUs.firstContent === null)
    }
    expect(upstream.total()).toBe(1)
  })

  test('the usage that was asked for behind the back of the caller is not in the answer, and is on both rows', async () => {
    const { proxy, call } = await house()
    const body = chat({ stream: true })
    const first = await call({ headers: on, body })
    const hit = await call({ headers: on, body })
    expect(status(hit)).toBe('HIT')
    expect(hit.bytes.includes('"usage":{')).toBe(false)
    const [miss, row] = await Promise.all([proxy.end(first.id), proxy.end(hit.id)])
    expect(JSON.stringify(miss.usageRaw)).toContain('prompt_tokens')
    expect(row.usageRaw).toEqual(miss.usageRaw)
    // Whoever wants to see that event has an answer of its own.
    const passing = await call({ headers: { ...on, 'weir-stream-usage': 'pass' }, body })
    expect([status(passing), passing.bytes.includes('"usage":{')]).toEqual(['MISS', true])
  })

  test('paced: the pauses of the original, no longer than 200 ms', async () => {
    const { call } = await house()
    const sent = { headers: { ...on, 'x-fake': 'chunks=3;gap=60' }, body: chat({ stream: true }) }
    await call(sent)
    const at = performance.now()
    const paced = await call({ ...sent, headers: { ...sent.headers, 'weir-cache-replay': 'paced' } })
    expect(performance.now() - at).toBeGreaterThan(150)
    expect(status(paced)).toBe('HIT')
    expect(paced.arrivals.length).toBeGreaterThan(2)
  })

  test('the cost of a hit is 0, however it is asked for', async () => {
    const { call } = await house()
    await call({ headers: on, body: chat() })
    const { headers } = await call({ headers: { ...on, 'weir-cost-report': 'true', te: 'trailers' }, body: chat() })
    expect([headers['weir-cache'], headers['weir-cost'], headers.trailer]).toEqual(['HIT', '0', undefined])
  })

  test('fields of one call are not part of another', async () => {
    const { call } = await house()
    await call({ headers: on, body: chat() })
    const { headers } = await call({ headers: on, body: chat() })
    expect(Object.keys(headers).filter((name) => /ratelimit|retry-after|cookie/.test(name))).toEqual([])
  })
})

describe('a restart', () => {
  test('keeps hits, of all kinds of bodies', async () => {
    const fake = await fakeProvider()
    const dataDir = testDataDir()
    const bodies = [chat(), chat({ stream: true })]
    const before = await startTestProxy(fake.origin, { dataDir })
    const first = [
      await post(before.port, { headers: on, body: bodies[0] ?? '' }),
      await post(before.port, { headers: on, body: bodies[1] ?? '' }),
    ]
    await before.drain()
    const after = await startTestProxy(fake.origin, { dataDir })
    for (const [n, body] of bodies.entries()) {
      const hit = await post(after.port, { headers: on, body })
      expect([status(hit), hit.headers['weir-cache-id'], hit.headers['weir-cache-saved'] !== undefined]).toEqual([
        'HIT',
        first[n]?.id,
        true,
      ])
      expect(hit.bytes).toEqual(first[n]?.bytes)
    }
    expect(fake.total()).toBe(2)
  })

  test('a file that was torn is a miss', async () => {
    const fake = await fakeProvider()
    const dataDir = testDataDir()
    const before = await startTestProxy(fake.origin, { dataDir })
    await post(before.port, { headers: on, body: chat() })
    await before.drain()
    const folder = join(dataDir, 'state', 'cache', 'default')
    const [file = ''] = readdirSync(folder)
    const bytes = readFileSync(join(folder, file))
    for (const torn of [
      bytes.subarray(0, bytes.length - 1),
      Buffer.alloc(0),
      Buffer.concat([bytes.subarray(0, 200), Buffer.from('x'), bytes.subarray(201)]),
    ]) {
      writeFileSync(join(folder, file), torn)
      const after = await startTestProxy(fake.origin, { dataDir })
      const { headers, status: code } = await post(after.port, { headers: { ...on, 'weir-cache-save': 'false' }, body: chat() })
      expect([code, headers['weir-cache']]).toEqual([200, 'MISS'])
      await after.drain()
    }
  })
})

describe('the store', () => {
  const failing = (find: CacheStore['find']): CacheStore => ({
    find,
    save: () => Promise.reject(new Error('down')),
    purge: () => Promise.resolve(0),
    bytes: () => 0,
    close: () => Promise.resolve(),
  })

  test.each<[string, CacheStore['find']]>([
    ['fails', () => Promise.reject(new Error('down'))],
    ['never answers', () => new Promise(() => undefined)],
  ])('%s: every call is a miss, and goes on', async (_, find) => {
    const fake = await fakeProvider()
    const proxy = await startTestProxy(fake.origin, { cacheStore: failing(find) })
    for (let n = 0; n < 2; n++) {
      const got = await post(proxy.port, { headers: on, body: chat() })
      expect([got.status, status(got), got.end]).toEqual([200, 'MISS', 'whole'])
    }
    // Identical calls at once are one all the same.
    const answers = await Promise.all(
      [1, 2, 3].map(() => post(proxy.port, { headers: { ...on, 'x-fake': 'delay=100' }, body: chat() })),
    )
    expect(answers.map(status).sort()).toEqual(['HIT', 'HIT', 'MISS'])
    expect(fake.total()).toBe(3)
  })

  describe.skipIf(redisServer === null)('in Redis', () => {
    const stores = async (redis: TestRedis): Promise<CacheStore[]> =>
      Promise.all(
        [1, 2].map(async () => {
          const link = openRedisLink({ url: redis.url, deadlineMs: 10_000, changed: () => undefined })
          await link.begun
          return openRedisCache({ link, now: Date.now })
        }),
      )

    test('two proxies share answers; Redis dies: a miss; Redis is back: hits again', async () => {
      const fake = await fakeProvider()
      const redis = await startTestRedis(redisServer ?? '')
      onTestFinished(() => redis.close())
      const dataDir = testDataDir()
      const [one, other] = await stores(redis)
      if (one === undefined || other === undefined) throw new Error('There are two.')
      // Of one installation: keys are made under its secret.
      const first = await startTestProxy(fake.origin, { cacheStore: one, dataDir })
      const second = await startTestProxy(fake.origin, { cacheStore: other, dataDir })
      const miss = await post(first.port, { headers: on, body: chat({ stream: true }) })
      const hit = await post(second.port, { headers: on, body: chat({ stream: true }) })
      expect([status(miss), status(hit), hit.headers['weir-cache-id'], fake.total()]).toEqual(['MISS', 'HIT', miss.id, 1])
      expect(hit.bytes).toEqual(miss.bytes)
      await redis.kill()
      const without = await post(second.port, { headers: on, body: chat({ stream: true }) })
      expect([without.status, status(without), without.end]).toEqual([200, 'MISS', 'whole'])
      await redis.startAgain()
      await expect.poll(async () => status(await post(second.port, { headers: on, body: chat({ stream: true }) }))).toBe('HIT')
    })
  })
})
