import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { tenantId, type TenantId } from '../../core/tenant.js'
import type { BreakerStore, CircuitState, Health } from './breaker-store.js'
import { openMemoryBreaker } from './memory-breaker.js'
import { openRedisBreaker } from './redis-breaker.js'
import { openRedisLink, type RedisLink } from './redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from './testing-redis.js'

let redis: TestRedis
beforeAll(async () => {
  if (redisServer !== null) redis = await startTestRedis(redisServer)
})
afterAll(async () => redis?.close())

/** Milliseconds, moved by the tests alone. */
interface Clock {
  ms: number
}

// What is right is not a matter of speed here: a busy machine may answer later than the deadline of a call.
const openLink = async (deadlineMs = 10_000): Promise<RedisLink> => {
  const link = openRedisLink({ url: redis.url, deadlineMs, changed: () => undefined })
  onTestFinished(() => link.close())
  await link.begun
  return link
}
const openShared = async (clock: Clock): Promise<BreakerStore> => {
  const link = await openLink()
  return openRedisBreaker({ link, now: () => clock.ms, sharedNow: () => clock.ms })
}

const engines = [
  {
    name: 'memory',
    skip: false,
    open: (clock: Clock) => Promise.resolve(openMemoryBreaker(() => clock.ms)),
  },
  { name: 'redis', skip: redisServer === null, open: (clock: Clock) => openShared(clock) },
]

let tenants = 0
const freshTenant = (): TenantId => tenantId(`b${process.pid}-${++tenants}`)

/** What the tests say of a store, in a tenant of their own. */
const handle = (store: BreakerStore, tenant: TenantId) => ({
  note: (health: Health, times = 1, circuit = 'a'): void => {
    for (let i = 0; i < times; i++) store.note(tenant, circuit, health)
  },
  state: async (circuit = 'a', of = tenant): Promise<CircuitState | undefined> => (await store.look(of, [circuit]))[0],
  probe: (): Promise<boolean> => store.probe(tenant, 'a'),
})

describe.each(engines)('the contract of a breaker store: $name', ({ open, skip }) => {
  const opened = async () => {
    const clock = { ms: 1_000_000 }
    const store = await open(clock)
    const tenant = freshTenant()
    return { store, tenant, pass: (ms: number) => void (clock.ms += ms), ...handle(store, tenant) }
  }

  test.skipIf(skip)('five failures in a row open it for 30 s; a success between them begins anew', async () => {
    const { note, state, pass } = await opened()
    note('fails', 4)
    note('works')
    note('fails', 4)
    expect(await state()).toBe('closed')
    note('fails')
    expect(await state()).toBe('open')
    expect(await state('b')).toBe('closed')
    pass(29_999)
    expect(await state()).toBe('open')
    pass(1)
    expect(await state()).toBe('half')
  })

  test.skipIf(skip)('half of at least ten within a minute open it', async () => {
    const { note, state } = await opened()
    for (let i = 0; i < 4; i++) {
      note('works')
      note('fails')
    }
    note('works')
    // 4 of 9, then 5 of 10.
    expect(await state()).toBe('closed')
    note('fails')
    expect(await state()).toBe('open')
    const later = await opened()
    for (let i = 0; i < 4; i++) {
      later.note('works')
      later.note('fails')
    }
    later.pass(70_000)
    later.note('works')
    later.note('fails')
    expect(await later.state()).toBe('closed')
  })

  test.skipIf(skip)('one probe at a time; it closes the circuit, or opens it for twice as long, up to 300 s', async () => {
    const { note, state, pass, probe } = await opened()
    note('fails', 5)
    for (const openMs of [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
      pass(openMs - 1)
      expect(await state()).toBe('open')
      pass(1)
      expect(await state()).toBe('half')
      expect(await probe()).toBe(true)
      expect(await state()).toBe('open')
      expect(await probe()).toBe(false)
      note('fails')
    }
    pass(300_000)
    expect(await probe()).toBe(true)
    note('works')
    expect(await state()).toBe('closed')
    // And all begins anew.
    note('fails', 4)
    expect(await state()).toBe('closed')
    note('fails')
    pass(30_000)
    expect(await state()).toBe('half')
  })

  test.skipIf(skip)('a probe nobody reports holds its place for a minute', async () => {
    const { note, pass, probe } = await opened()
    note('fails', 5)
    pass(30_000)
    expect(await probe()).toBe(true)
    pass(59_999)
    expect(await probe()).toBe(false)
    pass(1)
    expect(await probe()).toBe(true)
  })

  test.skipIf(skip)('what a target asks for itself, at most a minute', async () => {
    const { note, state, pass } = await opened()
    note({ openMs: 0 })
    expect(await state()).toBe('closed')
    note({ openMs: 5000 })
    pass(4999)
    expect(await state()).toBe('open')
    pass(1)
    expect(await state()).toBe('half')
    note({ openMs: 1e9 })
    pass(60_000)
    expect(await state()).toBe('half')
  })

  test.skipIf(skip)('failures of an open one, tried for want of another, change nothing; a success closes it', async () => {
    const { note, state, pass } = await opened()
    note('fails', 5)
    pass(10_000)
    note('fails', 20)
    pass(20_000)
    expect(await state()).toBe('half')
    note('works')
    expect(await state()).toBe('closed')
  })

  test.skipIf(skip)('tenants have circuits of their own, and only those that are not closed are told of', async () => {
    const { store, tenant, note, state, pass } = await opened()
    note('fails', 5)
    note('works', 1, 'b')
    expect(await state('a', tenantId(`${tenant}-other`))).toBe('closed')
    expect([await state(), await state('b')]).toEqual(['open', 'closed'])
    expect([...store.standing()]).toEqual([{ tenant, circuit: 'a', state: 'open' }])
    pass(30_000)
    expect([...store.standing()]).toEqual([{ tenant, circuit: 'a', state: 'half' }])
    note('works')
    expect(await state()).toBe('closed')
    expect([...store.standing()]).toEqual([])
  })
})

describe.skipIf(redisServer === null)('circuits in Redis', () => {
  test('whatever happens, in whatever order, they are what they are in memory', async () => {
    const clock = { ms: 1_000_000 }
    const [shared, own] = [await openShared(clock), openMemoryBreaker(() => clock.ms)]
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('works' as const, 'fails' as const) },
      { weight: 3, arbitrary: fc.constant('fails' as const) },
      { weight: 1, arbitrary: fc.record({ openMs: fc.integer({ min: -1, max: 100_000 }) }) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 90_000 }) },
      { weight: 1, arbitrary: fc.constant('probe' as const) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const tenant = freshTenant()
        for (const each of steps) {
          if (typeof each === 'number') clock.ms += each
          else if (each === 'probe') expect(await shared.probe(tenant, 'a')).toBe(await own.probe(tenant, 'a'))
          else for (const store of [shared, own]) store.note(tenant, 'a', each)
          expect(await shared.look(tenant, ['a'])).toEqual(await own.look(tenant, ['a']))
        }
      }),
      { numRuns: 150 },
    )
  })

  test('what one proxy finds out, the other knows; of two that would find out whether it works again, one may', async () => {
    const clock = { ms: 1_000_000 }
    const [one, other] = [await openShared(clock), await openShared(clock)]
    const tenant = freshTenant()
    for (let i = 0; i < 3; i++) one.note(tenant, 'a', 'fails')
    await one.look(tenant, ['a'])
    for (let i = 0; i < 2; i++) other.note(tenant, 'a', 'fails')
    await other.look(tenant, ['a'])
    expect(await one.look(tenant, ['b', 'a'])).toEqual(['closed', 'open'])
    clock.ms += 30_000
    const both = await Promise.all([one.probe(tenant, 'a'), other.probe(tenant, 'a')])
    expect(both.toSorted()).toEqual([false, true])
    one.note(tenant, 'a', 'works')
    await one.look(tenant, ['a'])
    expect(await other.look(tenant, ['a'])).toEqual(['closed'])
    expect([...other.standing()]).toEqual([])
  })

  test('by the clock of Redis, where nobody knows better', async () => {
    const store = openRedisBreaker({ link: await openLink(), now: () => 0 })
    const tenant = freshTenant()
    for (let i = 0; i < 5; i++) store.note(tenant, 'a', 'fails')
    expect(await store.look(tenant, ['a'])).toEqual(['open'])
    const look = new Redis(redis.url)
    onTestFinished(() => look.disconnect())
    const [key = ''] = await look.keys(`weir:circuit:{${tenant}}:*`)
    const left = Number(await look.hget(key, 'open')) - Date.now()
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(30_000)
  })

  test('a name of any length and alphabet is a short key, and nothing of it is written; nobody’s circuit goes by itself', async () => {
    const clock = { ms: 1_000_000 }
    const store = await openShared(clock)
    const tenant = freshTenant()
    const circuit = `openai\nhttps://api.example\n${'größe\0'.repeat(2000)}\nfp`
    for (let i = 0; i < 5; i++) store.note(tenant, circuit, 'fails')
    expect(await store.look(tenant, [circuit])).toEqual(['open'])
    const look = new Redis(redis.url)
    onTestFinished(() => look.disconnect())
    const [key = '', ...more] = await look.keys(`weir:circuit:{${tenant}}:*`)
    expect([more, key.length]).toEqual([[], `weir:circuit:{${tenant}}:`.length + 22])
    // 30 s open, and ten minutes.
    expect(await look.pttl(key)).toBeLessThanOrEqual(630_000)
    expect(await look.pttl(key)).toBeGreaterThan(600_000)
    for (let i = 0; i < 200; i++) {
      clock.ms += 7000
      store.note(tenant, circuit, i % 2 === 0 ? 'works' : { openMs: 1 })
    }
    await store.look(tenant, [circuit])
    // Four facts, and two for each slot of the window.
    expect(await look.hlen(key)).toBeLessThanOrEqual(4 + 2 * 12)
  })

  test('Redis away: by what this process has seen itself, at no wait; back again: together', async () => {
    const clock = { ms: 1_000_000 }
    const link = await openLink()
    const store = openRedisBreaker({ link, now: () => clock.ms, sharedNow: () => clock.ms })
    const tenant = freshTenant()
    for (let i = 0; i < 4; i++) store.note(tenant, 'a', 'fails')
    expect(await store.look(tenant, ['a'])).toEqual(['closed'])
    await redis.kill()
    await expect.poll(() => link.isUp).toBe(false)
    // Known to be away: the answer comes without a turn of the event loop.
    let turns = 0
    const count = (): void => {
      turns++
      turning = setImmediate(count)
    }
    let turning = setImmediate(count)
    expect(await store.look(tenant, ['a'])).toEqual(['closed'])
    store.note(tenant, 'a', 'fails')
    expect(await store.look(tenant, ['a', 'b'])).toEqual(['open', 'closed'])
    expect(await store.probe(tenant, 'a')).toBe(false)
    expect([...store.standing()]).toEqual([{ tenant, circuit: 'a', state: 'open' }])
    clearImmediate(turning)
    expect(turns).toBe(0)
    await redis.startAgain()
    await expect.poll(() => link.isUp).toBe(true)
    // It came back empty: nobody knows of a failure any more.
    expect(await store.look(tenant, ['a'])).toEqual(['closed'])
    for (let i = 0; i < 5; i++) store.note(tenant, 'a', 'fails')
    expect(await store.look(tenant, ['a'])).toEqual(['open'])
  })

  test('Redis stands still: one deadline, then by what this process has seen; it is asked again once it goes on', async () => {
    const link = await openLink(20)
    const store = openRedisBreaker({ link, now: () => 0 })
    const tenant = freshTenant()
    await expect.poll(() => link.isUp).toBe(true)
    redis.freeze()
    const startedAt = performance.now()
    expect(await store.look(tenant, ['a'])).toEqual(['closed'])
    expect(await store.probe(tenant, 'a')).toBe(true)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(19)
    expect(link.isUp).toBe(false)
    redis.thaw()
    await expect.poll(() => link.isUp).toBe(true)
  })

  test('something else under a circuit’s name is no reason to fail', async () => {
    const store = openRedisBreaker({ link: await openLink(), now: () => 0 })
    const tenant = freshTenant()
    store.note(tenant, 'a', 'fails')
    await store.look(tenant, ['a'])
    const look = new Redis(redis.url)
    onTestFinished(() => look.disconnect())
    const [key = ''] = await look.keys(`weir:circuit:{${tenant}}:*`)
    await look.set(key, 'text')
    expect(await store.look(tenant, ['a'])).toEqual(['closed'])
    expect(await store.probe(tenant, 'a')).toBe(true)
    store.note(tenant, 'a', 'works')
    expect(await store.look(tenant, ['b'])).toEqual(['closed'])
  })
})
