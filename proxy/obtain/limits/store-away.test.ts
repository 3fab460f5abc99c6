import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../../../cli/fake-provider/server.js'
import { openRedisCache } from '../../state/redis-cache.js'
import { openRedisLimits } from '../../state/redis-limits.js'
import { openRedisLink, type RedisLink } from '../../state/redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from '../../state/testing-redis.js'
import { inFlight, post, startTestProxy, type Got, type TestProxy } from '../cache/testing.js'

// Redis goes away under load, in each way it can: what calls get, how long they wait, and how it comes back. With the deadline of
// production: 20 ms.

const year = 31_536_000
const chat = (content: string): string => JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content }] })

describe.skipIf(redisServer === null)('Redis goes away', () => {
  const openRedis = async (): Promise<TestRedis> => {
    const redis = await startTestRedis(redisServer ?? '')
    onTestFinished(() => redis.close())
    return redis
  }

  const open = async (redis: TestRedis, mode: 'open' | 'closed') => {
    const fake = await startFakeProvider()
    onTestFinished(() => fake.close())
    const link = async (): Promise<RedisLink> => {
      const made = openRedisLink({ url: redis.url, changed: () => undefined })
      await made.begun
      return made
    }
    const links = { limits: await link(), cache: await link() }
    const proxy = await startTestProxy(fake.origin, {
      yaml: `limits: { onStoreError: ${mode} }\n`,
      limitStore: openRedisLimits(links.limits),
      cacheStore: openRedisCache({ link: links.cache, now: Date.now }),
    })
    return { fake, proxy, links }
  }

  const limited = ({ port }: TestProxy, n: number): Promise<Got> =>
    post(port, {
      body: chat(String(n)),
      headers: { 'weir-ratelimit-policy': `1000000;w=${year};s=user`, 'weir-user-id': `load-${n % 7}` },
    })
  const cached = ({ port }: TestProxy, content: string): Promise<Got> =>
    post(port, { body: chat(content), headers: { 'weir-cache-enabled': 'true' } })
  const faultOf = ({ headers }: Got): unknown => headers['weir-ratelimit-error'] ?? null

  const ways: readonly (readonly [string, (redis: TestRedis) => unknown, (redis: TestRedis) => unknown])[] = [
    ['killed', (redis) => redis.kill(), (redis) => redis.startAgain()],
    ['standing still', (redis) => redis.freeze(), (redis) => redis.thaw()],
  ]

  test.each(ways)('%s under load: the mode says what calls get, and it comes back by itself', async (_, away, back) => {
    const redis = await openRedis()
    const houses = { open: await open(redis, 'open'), closed: await open(redis, 'closed') }
    const seen: Record<'open' | 'closed', Set<string>> = { open: new Set(), closed: new Set() }
    const wrong: unknown[] = []
    const load = { isOn: true }
    const worker = async (mode: 'open' | 'closed', n: number): Promise<void> => {
      while (load.isOn) {
        const got = await limited(houses[mode].proxy, n)
        const fault = faultOf(got)
        seen[mode].add(`${got.status} ${String(fault)}`)
        const isRight =
          fault === null
            ? got.status === 200 && got.headers['weir-warning'] === undefined
            : fault === 'store_unavailable' &&
              got.headers['weir-warning'] === 'limit-store-down' &&
              (mode === 'open' ? got.status === 200 : got.status === 503 && got.headers['weir-error'] === 'limits_unavailable')
        if (!isRight) wrong.push([mode, got.status, got.headers])
      }
    }
    const workers = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => worker(n % 2 === 0 ? 'open' : 'closed', n))
    const seenAnew = async (open_: string, closed: string): Promise<void> => {
      seen.open.clear()
      seen.closed.clear()
      await expect.poll(() => seen.open.has(open_) && seen.closed.has(closed)).toBe(true)
    }
    await seenAnew('200 null', '200 null')
    await away(redis)
    await seenAnew('200 store_unavailable', '503 store_unavailable')
    await back(redis)
    await seenAnew('200 null', '200 null')
    load.isOn = false
    await Promise.all(workers)
    expect(wrong).toEqual([])
    for (const { proxy } of Object.values(houses)) await expect.poll(() => inFlight(proxy.port)).toBe(0)
  })

  test.each(ways)('%s and known to be: no call waits for it', async (_, away, back) => {
    const redis = await openRedis()
    const { proxy, links } = await open(redis, 'open')
    await away(redis)
    await expect.poll(async () => faultOf(await limited(proxy, 1))).toBe('store_unavailable')
    await expect
      .poll(async () => {
        await cached(proxy, 'known')
        return links.cache.isUp || links.limits.isUp
      })
      .toBe(false)
    const times: Record<'plain' | 'limited' | 'cached', number[]> = { plain: [], limited: [], cached: [] }
    const timed = async (kind: keyof typeof times, call: () => Promise<Got>): Promise<void> => {
      const from = performance.now()
      expect((await call()).status).toBe(200)
      times[kind].push(performance.now() - from)
    }
    for (let n = 0; n < 41; n++) {
      await timed('plain', () => post(proxy.port, { body: chat(`plain ${n}`) }))
      await timed('limited', () => limited(proxy, n))
      await timed('cached', () => cached(proxy, `cached ${n}`))
    }
    const plain = Math.min(...times.plain)
    const added = [Math.min(...times.limited) - plain, Math.min(...times.cached) - plain]
    console.log(`calls take ${added.map((ms) => ms.toFixed(2)).join(' and ')} ms longer with a limit and with the cache`)
    // The fastest of each: a deadline that is waited would be in all of them.
    for (const ms of added) expect(ms).toBeLessThan(15)
    await back(redis)
    await expect.poll(async () => faultOf(await limited(proxy, 2))).toBe(null)
    await expect.poll(async () => (await cached(proxy, 'again')).headers['weir-cache']).toBe('HIT')
  })

  test('the first calls on one that stands still wait their deadline, and the cache is a miss', async () => {
    const redis = await openRedis()
    const { proxy } = await open(redis, 'open')
    expect((await cached(proxy, 'kept')).headers['weir-cache']).toBe('MISS')
    await expect.poll(async () => (await cached(proxy, 'kept')).headers['weir-cache']).toBe('HIT')
    redis.freeze()
    const got = await Promise.all([cached(proxy, 'kept'), limited(proxy, 1), limited(proxy, 2)])
    expect(got.map(({ status, end }) => [status, end])).toEqual(Array.from({ length: 3 }, () => [200, 'whole']))
    expect(got[0]?.headers['weir-cache']).toBe('MISS')
    expect(got.slice(1).map(faultOf)).toEqual(['store_unavailable', 'store_unavailable'])
    redis.thaw()
    await expect.poll(async () => (await cached(proxy, 'kept')).headers['weir-cache']).toBe('HIT')
  })

  test('a busy event loop is not a Redis that is away', async () => {
    const { proxy } = await open(await openRedis(), 'closed')
    // Stands still for three deadlines, again and again, while calls are under way.
    const block = setInterval(() => {
      const until = performance.now() + 60
      while (performance.now() < until);
    }, 5)
    onTestFinished(() => clearInterval(block))
    const got: Got[] = []
    for (let n = 0; n < 4; n++) got.push(...(await Promise.all(Array.from({ length: 10 }, () => limited(proxy, n)))))
    clearInterval(block)
    // Without a second look for what has come meanwhile all of them are refused; where the machine itself is busy some may be.
    expect(got.filter(({ status }) => status === 200).length).toBeGreaterThan(got.length / 2)
  })
})
