import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { tenantId } from '../../core/tenant.js'
import { decodeEntry, encodeEntry } from './cache-file.js'
import { entryBytes, type CacheEntry, type CacheStore } from './cache-store.js'
import { openMemoryCache, type MemoryCache } from './memory-cache.js'
import { openRedisCache } from './redis-cache.js'
import { openRedisLink, type RedisLink } from './redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from './testing-redis.js'

let redis: TestRedis
beforeAll(async () => {
  if (redisServer !== null) redis = await startTestRedis(redisServer)
})
afterAll(async () => redis?.close())

const acme = tenantId('acme')
const beta = tenantId('beta')
const minute = 60_000

const clock = { ms: 1_000_000 }
const now = (): number => clock.ms
const testDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-store-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const opened = ({ dir = testDir(), limitBytes = 1024 ** 2, random = (): number => 0 } = {}): MemoryCache =>
  openMemoryCache({ dir, limitBytes, now, random })

const key = (n: number): string => n.toString(16).padStart(64, '0')
const entry = (id: string, more: Partial<CacheEntry> = {}): CacheEntry => ({
  id,
  target: 0,
  savedAt: clock.ms,
  expiresAt: clock.ms + minute,
  status: 200,
  statusText: 'OK',
  headers: ['content-type', 'application/json'],
  body: Buffer.from(`{"id":"${id}"}`),
  chunkBytes: [3, 7],
  gapsMs: [0, 12],
  totalMs: 40,
  contentAt: 0,
  facts: {
    usageRaw: [{ source: 'body', json: '{"prompt_tokens":1}' }],
    responseModel: 'm',
    responseId: null,
    finishReason: 'stop',
    error: null,
    events: 1,
    contentChars: 5,
    toolCalls: 0,
    notes: [],
  },
  ...more,
})
const one = { slots: 1, maxAgeMs: minute }
const idOf = async (store: CacheStore, tenant = acme, name = key(1), wanted = one): Promise<string | null> =>
  (await store.find(tenant, name, wanted))?.entry.id ?? null

const link = async (): Promise<RedisLink> => {
  // What is right is not a matter of speed here: a busy machine may answer later than the deadline of a call.
  const opened = openRedisLink({ url: redis.url, deadlineMs: 10_000, changed: () => undefined })
  await opened.begun
  return opened
}
const always = (): number => 0
const engines = [
  { name: 'memory', skip: false, open: (random = always): Promise<CacheStore> => Promise.resolve(opened({ random })) },
  {
    name: 'redis',
    skip: redisServer === null,
    open: async (random = always): Promise<CacheStore> => openRedisCache({ link: await link(), now, random }),
  },
]

describe.each(engines)('$name', ({ skip, open: begin }) => {
  const open = async (random = always): Promise<CacheStore> => {
    const store = await begin(random)
    onTestFinished(() => store.close())
    return store
  }
  let keys = 1000
  /** No other test has used it. */
  let name = ''
  beforeEach(() => {
    name = key(++keys)
  })
  const idIn = (store: CacheStore, tenant = acme, wanted = one): Promise<string | null> => idOf(store, tenant, name, wanted)

  test.skipIf(skip)('what was saved for one tenant is found for it alone', async () => {
    const store = await open()
    await store.save(acme, name, 1, entry('a'))
    expect(await store.find(acme, name, one)).toEqual({ entry: entry('a'), slot: 0 })
    expect(await idIn(store, beta)).toBeNull()
    expect(await idOf(store, acme, key(2))).toBeNull()
    await store.save(beta, name, 1, entry('b'))
    expect([await idIn(store), await idIn(store, beta)]).toEqual(['a', 'b'])
  })

  test.skipIf(skip)('a tenant can have all of its answers forgotten, and no other loses one', async () => {
    const store = await open()
    const twin = 'acme-two' as typeof acme
    for (let i = 0; i < 5; i++) await store.save(acme, key(9000 + i), 2, entry(`a${i}`))
    await store.save(beta, name, 1, entry('b'))
    await store.save(twin, name, 1, entry('c'))
    expect(await store.purge(acme)).toBeGreaterThanOrEqual(5)
    for (let i = 0; i < 5; i++) expect(await idOf(store, acme, key(9000 + i))).toBeNull()
    expect([await idIn(store, beta), await idIn(store, twin)]).toEqual(['b', 'c'])
    expect(await store.purge(acme)).toBe(0)
    await store.save(acme, name, 1, entry('d'))
    expect(await idIn(store)).toBe('d')
  })

  test.skipIf(skip)('an answer lives as long as whoever saved it said, and is no older than whoever reads it wants', async () => {
    const store = await open()
    const from = clock.ms
    await store.save(acme, name, 1, entry('a'))
    clock.ms = from + 30_000
    expect(await idIn(store)).toBe('a')
    expect(await idIn(store, acme, { slots: 1, maxAgeMs: 29_999 })).toBeNull()
    expect(await idIn(store)).toBe('a')
    clock.ms = from + minute
    expect(await idIn(store, acme, { slots: 1, maxAgeMs: 10 * minute })).toBeNull()
  })

  test.skipIf(skip)(
    'several slots: a hit once all are full, each as likely; fewer slots are the first ones; then the oldest gives way',
    async () => {
      let drawn = 0
      const store = await open(() => drawn)
      const three = { slots: 3, maxAgeMs: minute }
      for (const id of ['a', 'b', 'c']) {
        expect(await idIn(store, acme, three)).toBeNull()
        await store.save(acme, name, 3, entry(id))
        clock.ms += 10
      }
      for (const [at, id] of [
        [0, 'a'],
        [0.34, 'b'],
        [0.67, 'c'],
        [0.999, 'c'],
      ] as const) {
        drawn = at
        expect(await idIn(store, acme, three)).toBe(id)
      }
      expect(await idIn(store)).toBe('a')
      await store.save(acme, name, 3, entry('d'))
      drawn = 0
      expect(await idIn(store, acme, three)).toBe('d')
    },
  )
})

test('memory and disk stay within their bound; what was used last stays', async () => {
  const dir = testDir()
  const size = entryBytes(entry('x', { body: Buffer.alloc(10_000) }))
  const store = opened({ dir, limitBytes: 10 * size })
  for (let n = 0; n < 200; n++) {
    await store.save(acme, key(n), 1, entry(`e${n}`, { body: Buffer.alloc(10_000) }))
    expect(await idOf(store, acme, key(0))).toBe('e0')
    expect(store.bytes()).toBeLessThanOrEqual(10 * size)
  }
  expect(await idOf(store, acme, key(100))).toBeNull()
  expect(await idOf(store, acme, key(199))).toBe('e199')
  await store.save(acme, key(500), 1, entry('huge', { body: Buffer.alloc(11 * size) }))
  expect(await idOf(store, acme, key(500))).toBeNull()
  await store.close()
  const files = readdirSync(join(dir, 'acme'))
  expect(files).toHaveLength(10)
  expect(files.reduce((sum, file) => sum + statSync(join(dir, 'acme', file)).size, 0)).toBeLessThanOrEqual(10 * size)
})

test('a restart finds everything, also before the folder has been looked through, with a smaller bound the newest', async () => {
  const dir = testDir()
  const before = opened({ dir })
  for (let n = 0; n < 20; n++) await before.save(acme, key(n), 1, entry(`e${n}`))
  await before.save(beta, key(0), 1, entry('b', { body: Buffer.alloc(300_000, 1), chunkBytes: [300_000], gapsMs: [0] }))
  await before.close()
  const after = opened({ dir })
  expect(await after.find(acme, key(7), one)).toEqual({ entry: entry('e7'), slot: 0 })
  // Longer than what is read at once.
  expect((await after.find(beta, key(0), one))?.entry.body.equals(Buffer.alloc(300_000, 1))).toBe(true)
  await after.listed
  for (let n = 0; n < 20; n++) expect(await idOf(after, acme, key(n))).toBe(`e${n}`)
  await after.close()

  for (let n = 0; n < 20; n++) utimesSync(join(dir, 'acme', `${key(n)}.0`), n + 1, n + 1)
  utimesSync(join(dir, 'beta', `${key(0)}.0`), 1, 1)
  const bytes = statSync(join(dir, 'acme', `${key(19)}.0`)).size
  const small = opened({ dir, limitBytes: 4 * bytes })
  await small.listed
  await small.close()
  expect(readdirSync(join(dir, 'acme')).length).toBeLessThanOrEqual(4)
  expect(readdirSync(join(dir, 'beta'))).toEqual([])
  expect(small.bytes()).toBeLessThanOrEqual(4 * bytes)
})

test('an answer that expired on disk is none after a restart', async () => {
  const dir = testDir()
  const before = opened({ dir })
  await before.save(acme, key(1), 1, entry('a'))
  await before.close()
  clock.ms += minute
  expect(await idOf(opened({ dir }), acme, key(1), { slots: 1, maxAgeMs: 10 * minute })).toBeNull()
})

test('any byte changed, any length, another name: no entry', () => {
  const whole = Buffer.concat(encodeEntry('acme/x.0', entry('a')))
  expect(decodeEntry('acme/x.0', whole)).toEqual(entry('a'))
  expect(decodeEntry('beta/x.0', whole)).toBeNull()
  for (let length = 0; length < whole.length; length++) expect(decodeEntry('acme/x.0', whole.subarray(0, length))).toBeNull()
  for (let at = 0; at < whole.length; at++) {
    const bad = Buffer.from(whole)
    bad[at] = (bad[at] as number) ^ 1
    expect(decodeEntry('acme/x.0', bad)).toBeNull()
  }
  expect(decodeEntry('acme/x.0', Buffer.concat([whole, Buffer.from('x')]))).toBeNull()
})

test("a folder that cannot be written, and files that are nobody else's, do no harm", async () => {
  const dir = join(testDir(), 'file')
  writeFileSync(dir, 'not a folder')
  const store = opened({ dir })
  await store.listed
  await store.save(acme, key(1), 1, entry('a'))
  expect(await idOf(store)).toBe('a')
  await store.close()
  const other = testDir()
  writeFileSync(join(other, 'README'), 'x')
  const beside = opened({ dir: other })
  await beside.listed
  expect(beside.bytes()).toBe(0)
})

test.skipIf(redisServer === null)(
  'Redis: an answer leaves by itself, a changed one is none, and many proxies share them all',
  async () => {
    const [one, other] = [openRedisCache({ link: await link(), now }), openRedisCache({ link: await link(), now })]
    const client = new Redis(redis.url)
    onTestFinished(() => Promise.all([one.close(), other.close(), client.quit()]).then(() => undefined))
    const name = key(5000)
    const big = Buffer.alloc(2_000_000, 200)
    await one.save(acme, name, 1, entry('big', { body: big, chunkBytes: [big.length], gapsMs: [0] }))
    const found = await other.find(acme, name, { slots: 1, maxAgeMs: minute })
    expect(found?.entry.body.equals(big)).toBe(true)
    const slot = `weir:cache:{acme/${name}}:0`
    const left = await client.pttl(slot)
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(minute)
    const bytes = (await client.hgetBuffer(slot, 'v')) ?? Buffer.alloc(0)
    bytes[bytes.length - 1] = 0
    await client.hset(slot, 'v', bytes)
    expect(await other.find(acme, name, { slots: 1, maxAgeMs: minute })).toBeNull()
  },
)
