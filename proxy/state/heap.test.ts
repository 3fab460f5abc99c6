import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import type { TenantId } from '../../core/tenant.js'
import { Latencies } from '../obtain/failover/latencies.js'
import type { CacheEntry } from './cache-store.js'
import { openMemoryBreaker } from './memory-breaker.js'
import { openMemoryCache } from './memory-cache.js'
import { openMemoryLimits } from './memory-limits.js'

// What callers can make many of: once its bound is reached, twice as many take no more of the heap. Measured, not counted.

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const tenant = 'default' as TenantId
const mebi = 1024 ** 2

const heapMiB = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / mebi
}

interface Kind {
  /** Some more than this are kept at no time. */
  readonly bound: number
  /** At the bound. */
  readonly mostMiB: number
  readonly open: () => (n: number) => unknown
}

const limits = (): ((n: number) => unknown) => {
  const store = openMemoryLimits({ now: () => 1e12, file: null, failed: () => undefined })
  return (n) =>
    store.take(tenant, [
      {
        owner: 'caller',
        key: `request 60 user =user-${n}-of-a-name-as-long-as-they-are`,
        quotaMicro: 5e6,
        windowMs: 60_000,
        costMicro: 1e6,
      },
    ])
}

const circuits = (): ((n: number) => unknown) => {
  const breaker = openMemoryBreaker(() => 0)
  return (n) => breaker.note(tenant, `openai https://api.openai.com gpt-5-mini ${n}`, 'fails')
}

const latencies = (): ((n: number) => unknown) => {
  const known = new Latencies(() => 0)
  return (n) => known.took(`openai https://api.openai.com gpt-5-mini ${n}`, n)
}

/** 16 MiB of answers. */
const answers = (): ((n: number) => unknown) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-heap-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  const cache = openMemoryCache({ limitBytes: 16 * mebi, dir, now: () => 1 })
  onTestFinished(() => cache.close())
  return (n) => {
    const entry: CacheEntry = {
      id: `call ${n}`,
      target: 0,
      savedAt: 1,
      expiresAt: 2,
      status: 200,
      statusText: 'OK',
      headers: ['content-type', 'application/json'],
      body: Buffer.alloc(1024, n),
      chunkBytes: [1024],
      gapsMs: [0],
      totalMs: 1,
      contentAt: 0,
      facts: { usageRaw: [] } as unknown as CacheEntry['facts'],
    }
    return cache.save(tenant, String(n).padStart(64, '0'), 1, entry)
  }
}

test.each<[string, Kind]>([
  ['buckets of limits', { bound: 100_000, mostMiB: 64, open: limits }],
  ['circuits', { bound: 10_000, mostMiB: 16, open: circuits }],
  ['latencies', { bound: 10_000, mostMiB: 8, open: latencies }],
  ['kept answers', { bound: 5_400, mostMiB: 20, open: answers }],
])('%s', async (_, { bound, mostMiB, open }) => {
  const before = await heapMiB()
  const make = open()
  const fill = async (from: number, to: number): Promise<number> => {
    for (let n = from; n < to; n++) {
      await make(n)
      if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return (await heapMiB()) - before
  }
  const first = await fill(0, 2 * bound)
  const second = await fill(2 * bound, 4 * bound)
  expect(first).toBeLessThan(mostMiB)
  // A table that grows once more is no leak; as much again would be one.
  expect(second - first).toBeLessThan(Math.max(3, first / 2))
})
