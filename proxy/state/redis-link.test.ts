import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { tenantId } from '../../core/tenant.js'
import { StoreDown, type LimitCheck, type LimitStore } from './limit-store.js'
import { openRedisLimits } from './redis-limits.js'
import { openRedisLink, type RedisLink } from './redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from './testing-redis.js'

const acme = tenantId('acme')
let keys = 0
const fresh = (quota: number): LimitCheck => ({
  owner: 'caller',
  key: `link ${++keys}`,
  quotaMicro: quota * 1e6,
  windowMs: 31_536_000_000,
  costMicro: 1e6,
})

describe.skipIf(redisServer === null)('a link to Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startTestRedis(redisServer ?? '')
  })
  afterAll(async () => redis?.close())

  const open = async (deadlineMs?: number): Promise<{ link: RedisLink; store: LimitStore; changes: boolean[] }> => {
    const changes: boolean[] = []
    const link = openRedisLink({
      url: redis.url,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      changed: (isUp) => void changes.push(isUp),
    })
    await link.begun
    const store = openRedisLimits(link)
    onTestFinished(() => store.close())
    return { link, store, changes }
  }
  /** Asks until there is an answer in time: on a busy machine the first one may be late. */
  const untilUp = (store: LimitStore, check: LimitCheck): Promise<void> =>
    expect
      .poll(() =>
        store.take(acme, [{ ...check, costMicro: 0 }]).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)

  test('that stands still: one deadline is waited, and nothing after it, until it goes on', async () => {
    const { link, store, changes } = await open()
    const check = fresh(10)
    await untilUp(store, check)
    redis.freeze()
    const startedAt = performance.now()
    await expect(store.take(acme, [check])).rejects.toThrow(StoreDown)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(19)
    expect(link.isUp).toBe(false)
    // Known to be away: refused in the same turn of the event loop, without a timer.
    let turns = 0
    const count = (): void => {
      turns++
      turning = setImmediate(count)
    }
    let turning = setImmediate(count)
    for (let i = 0; i < 1000; i++) await expect(store.take(acme, [check])).rejects.toThrow('known to be away')
    clearImmediate(turning)
    expect(turns).toBe(0)
    redis.thaw()
    await expect.poll(() => link.isUp).toBe(true)
    expect(changes.at(-1)).toBe(true)
    await untilUp(store, check)
    // What was taken behind the deadline came back.
    await expect
      .poll(() =>
        store.take(acme, [{ ...check, costMicro: 0 }]).then(
          ({ states }) => Math.round((states[0]?.levelMicro ?? 0) / 1e6),
          () => -1,
        ),
      )
      .toBe(10)
  })

  test('on a connection that has gone silent another one is opened', async () => {
    const { link, store } = await open()
    const check = fresh(10)
    await untilUp(store, check)
    redis.freeze()
    await expect(store.take(acme, [check])).rejects.toThrow(StoreDown)
    // Longer than a silent connection is kept.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    redis.thaw()
    await expect.poll(() => link.isUp).toBe(true)
    await untilUp(store, check)
  })

  test('a busy event loop is not a silent Redis', async () => {
    const { link, store } = await open(1000)
    const check = fresh(10)
    const answer = store.take(acme, [check])
    const until = performance.now() + 1500
    while (performance.now() < until);
    expect((await answer).taken).toBe(true)
    expect(link.isUp).toBe(true)
  })

  test('killed under a call: the call is told at once; it comes back empty, and is used again', async () => {
    const { link, store, changes } = await open(10_000)
    const check = fresh(10)
    await store.take(acme, [check])
    redis.freeze()
    const under = expect(store.take(acme, [check])).rejects.toThrow(StoreDown)
    await redis.kill()
    await under
    await expect.poll(() => link.isUp).toBe(false)
    await expect(store.take(acme, [check])).rejects.toThrow('known to be away')
    await expect(store.settle(acme, [{ ...check, changeMicro: 1 }])).rejects.toThrow(StoreDown)
    await redis.startAgain()
    await expect.poll(() => link.isUp).toBe(true)
    expect(Math.floor(((await store.take(acme, [check])).states[0]?.levelMicro ?? 0) / 1e6)).toBe(9)
    expect(changes).toEqual([true, false, true])
  })

  test('an answer that is an error is none', async () => {
    const { link, store } = await open(10_000)
    const broken = link.script('weirBroken', "return redis.error_reply('ERR no')")
    await expect(link.run(() => broken([], []))).rejects.toThrow(StoreDown)
    expect(link.isUp).toBe(true)
    expect((await store.take(acme, [fresh(1)])).taken).toBe(true)
  })
})

test('nobody listens: the proxy begins without, soon', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const link = openRedisLink({ url: `redis://127.0.0.1:${port}`, changed: () => undefined })
  onTestFinished(() => link.close())
  await link.begun
  expect(link.isUp).toBe(false)
  await expect(openRedisLimits(link).take(acme, [fresh(1)])).rejects.toThrow(StoreDown)
})
