import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { tenantId } from '../../core/tenant.js'
import { levelOf, settled, type Bucket } from './bucket.js'
import { openMemoryLimits } from './memory-limits.js'
import { openRedisLimits } from './redis-limits.js'
import { openRedisLink } from './redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from './testing-redis.js'
import type { LimitCheck, LimitSettlement, LimitStore } from './limit-store.js'

const acme = tenantId('acme')
const other = tenantId('other')
const year = 31_536_000_000

let redis: TestRedis
beforeAll(async () => {
  if (redisServer !== null) redis = await startTestRedis(redisServer)
})
afterAll(async () => redis?.close())

const failed = (cause: unknown): void => {
  throw cause
}
const openRedis = (deadlineMs: number): Promise<LimitStore> => {
  const link = openRedisLink({ url: redis.url, deadlineMs, changed: () => undefined })
  return link.begun.then(() => openRedisLimits(link))
}

const engines = [
  { name: 'memory', skip: false, open: () => Promise.resolve(openMemoryLimits({ now: Date.now, file: null, failed })) },
  // What is exact is not a matter of speed here: a busy machine may answer later than the deadline of a call.
  { name: 'redis', skip: redisServer === null, open: () => openRedis(10_000) },
]

let keys = 0
/** A bucket nobody has touched; a year long, so that what runs in during a test is not seen. */
const fresh = (quota: number, windowMs = year): Omit<LimitCheck, 'costMicro'> => ({
  owner: 'caller',
  key: `request ${windowMs / 1000} user =u${process.pid}-${++keys}`,
  quotaMicro: quota * 1e6,
  windowMs,
})
const cost = (bucket: Omit<LimitCheck, 'costMicro'>, units: number): LimitCheck => ({ ...bucket, costMicro: units * 1e6 })
const change = (bucket: Omit<LimitCheck, 'costMicro'>, units: number): LimitSettlement => ({
  ...bucket,
  changeMicro: units * 1e6,
})

describe.each(engines)('the contract of a limit store: $name', ({ open, skip }) => {
  const opened = async (): Promise<LimitStore> => {
    const store = await open()
    onTestFinished(() => store.close())
    return store
  }
  /** Whole units that are left, found by asking for nothing. */
  const left = async (store: LimitStore, bucket: Omit<LimitCheck, 'costMicro'>, tenant = acme): Promise<number> =>
    Math.round((await store.take(tenant, [cost(bucket, 0)])).states[0]?.levelMicro ?? Number.NaN) / 1e6

  test.skipIf(skip)('full at first, then less by what is taken, then refused with the time until it fits', async () => {
    const store = await opened()
    // 3 a year: one third of a year for each.
    const bucket = fresh(3)
    for (const rest of [2, 1, 0]) {
      const { taken, states } = await store.take(acme, [cost(bucket, 1)])
      expect(taken).toBe(true)
      expect(Math.floor((states[0]?.levelMicro ?? -1) / 1e6)).toBe(rest)
      expect(states[0]?.waitMs).toBe(0)
    }
    const { taken, states } = await store.take(acme, [cost(bucket, 1)])
    expect(taken).toBe(false)
    expect(states[0]?.waitMs).toBeLessThanOrEqual(year / 3)
    expect(states[0]?.waitMs).toBeGreaterThan(year / 3 - 600_000)
    expect(states[0]?.fullMs).toBeLessThanOrEqual(year)
    expect(states[0]?.fullMs).toBeGreaterThan(year - 600_000)
  })

  test.skipIf(skip)('all or nothing', async () => {
    const store = await opened()
    const [wide, narrow, last] = [fresh(10), fresh(1), fresh(5)]
    const ask = () => store.take(acme, [cost(wide, 1), cost(narrow, 1), cost(last, 2)])
    expect((await ask()).taken).toBe(true)
    const refused = await ask()
    expect(refused.taken).toBe(false)
    expect(refused.states.map(({ waitMs }) => waitMs > 0)).toEqual([false, true, false])
    expect(await left(store, wide)).toBeCloseTo(9, 3)
    expect(await left(store, last)).toBeCloseTo(3, 3)
  })

  test.skipIf(skip)('what was taken too much comes back, what was too little is owed, down to one quota', async () => {
    const store = await opened()
    const bucket = fresh(1000)
    await store.take(acme, [cost(bucket, 900)])
    await store.settle(acme, [change(bucket, 700)])
    expect(await left(store, bucket)).toBeCloseTo(800, 1)
    await store.settle(acme, [change(bucket, 5000)])
    expect(await left(store, bucket)).toBe(1000)
    await store.take(acme, [cost(bucket, 1000)])
    await store.settle(acme, [change(bucket, -400)])
    expect(await left(store, bucket)).toBeCloseTo(-400, 1)
    // Owing is not having: not even nothing is given.
    expect((await store.take(acme, [cost(bucket, 0)])).taken).toBe(false)
    await store.settle(acme, [change(bucket, -100_000)])
    expect(await left(store, bucket)).toBeCloseTo(-1000, 1)
    const { states } = await store.take(acme, [cost(bucket, 1000)])
    expect(states[0]?.waitMs).toBeGreaterThan(2 * year - 3_600_000)
  })

  test.skipIf(skip)('another quota keeps the level, clamped', async () => {
    const store = await opened()
    const bucket = fresh(10)
    await store.take(acme, [cost(bucket, 6)])
    expect(await left(store, { ...bucket, quotaMicro: 100e6 })).toBeCloseTo(4, 3)
    expect(await left(store, { ...bucket, quotaMicro: 2e6 })).toBe(2)
  })

  test.skipIf(skip)('no quota, nothing', async () => {
    const store = await opened()
    const bucket = fresh(0, 60_000)
    const { taken, states } = await store.take(acme, [cost(bucket, 0)])
    expect([taken, states[0]?.waitMs]).toEqual([false, 60_000])
  })

  test.skipIf(skip)('tenants and owners have buckets of their own', async () => {
    const store = await opened()
    const bucket = fresh(1)
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(true)
    expect((await store.take(other, [cost(bucket, 1)])).taken).toBe(true)
    expect((await store.take(acme, [{ ...cost(bucket, 1), owner: 'operator' }])).taken).toBe(true)
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(false)
  })

  test.skipIf(skip)('what was used up runs in again', async () => {
    const store = await opened()
    // Ten a second: 100 ms for one.
    const bucket = fresh(10, 1000)
    expect((await store.take(acme, [cost(bucket, 10)])).taken).toBe(true)
    const { taken, states } = await store.take(acme, [cost(bucket, 10)])
    expect(taken).toBe(false)
    expect(states[0]?.waitMs).toBeLessThanOrEqual(1000)
    await expect.poll(() => store.take(acme, [cost(bucket, 10)]).then((each) => each.taken)).toBe(true)
  })

  test.skipIf(skip)('1,000 at once for a hundred: a hundred', async () => {
    const store = await opened()
    const bucket = fresh(100)
    const wide = fresh(10_000)
    const all = await Promise.all(Array.from({ length: 1000 }, () => store.take(acme, [cost(wide, 1), cost(bucket, 1)])))
    expect(all.filter(({ taken }) => taken)).toHaveLength(100)
    expect(await left(store, wide)).toBeCloseTo(9900, 1)
  })

  test.skipIf(skip)('a long name of foreign letters is a name', async () => {
    const store = await opened()
    const bucket = { ...fresh(1), key: `cents 60 Größe =${'ß'.repeat(80)}` }
    expect((await store.take(tenantId(`t${++keys}`), [cost(bucket, 1)])).taken).toBe(true)
  })
})

describe.skipIf(redisServer === null)('redis', () => {
  test('counts as the same function in TypeScript does, digit for digit', async () => {
    const store = await openRedis(10_000)
    onTestFinished(() => store.close())
    const look = new Redis(redis.url)
    onTestFinished(() => look.disconnect())
    const step = fc.record({
      cost: fc.double({ min: 0, max: 1, noNaN: true }),
      settle: fc.option(fc.double({ min: -1.5, max: 1, noNaN: true }), { nil: null }),
      // How long ago the bucket is made to have been touched last, in windows.
      aged: fc.double({ min: 0, max: 0.5, noNaN: true }),
    })
    const quota = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 999_999_999_999_999 }))
    const window = fc.integer({ min: 10_000, max: 31_536_000 }).map((s) => s * 1000)
    await fc.assert(
      fc.asyncProperty(quota, window, fc.array(step, { maxLength: 8 }), async (quotaMicro, windowMs, steps) => {
        const bucket = { owner: 'caller' as const, key: `p ${++keys}`, quotaMicro, windowMs }
        const name = `weir:limit:{acme}:caller:${bucket.key}`
        const kept = async (): Promise<Bucket | undefined> => {
          const text = await look.get(name)
          if (text === null) return undefined
          const [level = 0, rest = 0, at = 0, quotaMicro = 0] = text.split(' ').map(Number)
          return { level, rest, at, quotaMicro }
        }
        for (const { cost: part, settle, aged } of steps) {
          const before = await kept()
          if (before !== undefined) {
            before.at -= Math.floor(aged * windowMs)
            await look.set(name, `${before.level} ${before.rest} ${before.at} ${before.quotaMicro}`)
          }
          const costMicro = Math.floor(part * quotaMicro)
          const { taken } = await store.take(acme, [{ ...bucket, costMicro }])
          const after = await kept()
          // What has run full meanwhile is gone; what was refused is as it was.
          if (taken && after !== undefined) {
            const level = levelOf(before, quotaMicro, windowMs, after.at)
            expect({ level: after.level, rest: after.rest }).toEqual({ level: level.level - costMicro, rest: level.rest })
          }
          if (settle === null) continue
          const changeMicro = Math.floor(settle * quotaMicro)
          const then = await kept()
          await store.settle(acme, [{ ...bucket, changeMicro }])
          const since = await kept()
          if (since === undefined) continue
          expect({ level: since.level, rest: since.rest }).toEqual(
            settled(levelOf(then, quotaMicro, windowMs, since.at), changeMicro, quotaMicro),
          )
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a bucket that is full again is gone', async () => {
    const store = await openRedis(10_000)
    onTestFinished(() => store.close())
    const look = new Redis(redis.url)
    onTestFinished(() => look.disconnect())
    const bucket = fresh(100, 10_000)
    await store.take(acme, [cost(bucket, 1)])
    const name = `weir:limit:{acme}:caller:${bucket.key}`
    // One of a hundred in 10 s: 100 ms, and one to be sure.
    expect(await look.pttl(name)).toBeLessThanOrEqual(101)
    await expect.poll(() => look.exists(name)).toBe(0)
  })
})

describe('memory', () => {
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'weir-limits-'))
    onTestFinished(() => rmSync(made, { recursive: true, force: true }))
    return made
  }

  test('levels outlive the process, and go on from there', async () => {
    const file = join(folder(), 'state', 'limits')
    let now = 1_700_000_000_000
    const open = (): LimitStore => openMemoryLimits({ now: () => now, file, failed })
    const [slow, quick] = [fresh(2, 60_000), { ...fresh(10, 1000), owner: 'operator' as const }]
    const first = open()
    await first.take(acme, [cost(slow, 2), cost(quick, 10)])
    await first.close()
    now += 29_999
    const second = open()
    expect((await second.take(acme, [cost(slow, 1)])).taken).toBe(false)
    expect((await second.take(acme, [cost(quick, 10)])).taken).toBe(true)
    now += 1
    expect((await second.take(acme, [cost(slow, 1)])).taken).toBe(true)
    await second.close()
    expect(readFileSync(file, 'utf8')).toContain(JSON.stringify(`caller acme ${slow.key}`))
  })

  test('a file that is torn, foreign or from another age is no reason not to start', async () => {
    const file = join(folder(), 'limits')
    const good = `0 0 ${Date.now()} 1000000 3600000 "caller acme good"`
    writeFileSync(
      file,
      [
        'weir limits 1',
        '1 2 3',
        'x',
        `NaN 0 1 1 1 "caller acme a"`,
        `5 0 1 1 1000 "caller acme b"`,
        `0 0 1 1 1 {}`,
        good,
        '0 0 17',
      ].join('\n'),
    )
    const store = openMemoryLimits({ now: Date.now, file, failed })
    onTestFinished(() => store.close())
    const check = { owner: 'caller' as const, quotaMicro: 1e6, windowMs: 3_600_000, costMicro: 1e6 }
    expect((await store.take(acme, [{ ...check, key: 'good' }])).taken).toBe(false)
    expect((await store.take(acme, [{ ...check, key: 'a' }])).taken).toBe(true)
    writeFileSync(file, '\0\0\0')
    await openMemoryLimits({ now: Date.now, file, failed }).close()
  })

  test('a folder that cannot be written is told, and limits hold all the same', async () => {
    const told: unknown[] = []
    const blocked = join(folder(), 'a-file')
    writeFileSync(blocked, '')
    const store = openMemoryLimits({
      now: Date.now,
      file: join(blocked, 'state', 'limits'),
      failed: (cause) => void told.push(cause),
    })
    const bucket = fresh(1)
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(true)
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(false)
    await store.close()
    expect(told).toHaveLength(1)
  })

  test('no more buckets than may be: the one longest untouched is forgotten; those of operators are not pushed out by callers', async () => {
    const store = openMemoryLimits({ now: Date.now, file: null, failed, most: 3 })
    onTestFinished(() => store.close())
    const empty = async (bucket: Omit<LimitCheck, 'costMicro'>): Promise<boolean> =>
      !(await store.take(acme, [cost(bucket, 1)])).taken
    const operator = { ...fresh(1), owner: 'operator' as const }
    const [a, b, c, d] = [fresh(1), fresh(1), fresh(1), fresh(1)]
    await store.take(acme, [cost(operator, 1)])
    for (const bucket of [a, b, c]) await store.take(acme, [cost(bucket, 1)])
    expect(await empty(a)).toBe(true) // touched: b is the oldest now
    await store.take(acme, [cost(d, 1)])
    expect([await empty(operator), await empty(a), await empty(c), await empty(d)]).toEqual([true, true, true, true])
    expect(await empty(b)).toBe(false)
  })

  test('a clock that goes back gives nothing twice', async () => {
    let now = 1_700_000_000_000
    const store = openMemoryLimits({ now: () => now, file: null, failed })
    onTestFinished(() => store.close())
    const bucket = fresh(2, 60_000)
    await store.take(acme, [cost(bucket, 2)])
    now += 30_000
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(true)
    now -= 30_000
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(false)
    now += 30_000
    expect((await store.take(acme, [cost(bucket, 1)])).taken).toBe(false)
  })
})
