import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { effectiveConfig, type Config } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { serverSecret } from '../server-secret.js'
import { openSharedSecret, type SharedSecret } from './shared-secret.js'
import { redisServer, startTestRedis } from './testing-redis.js'

const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-secret-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const configOf = (dataDir: string, redisUrl?: string): Config =>
  effectiveConfig(
    parseConfigFile({ path: 'weir.yaml', text: '' }, {}),
    null,
    { WEIR_DATA: dataDir, ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }) },
    '/',
  )
const openAt = async (dataDir: string, redisUrl?: string, warn = vi.fn()): Promise<SharedSecret> => {
  const shared = await openSharedSecret({ config: configOf(dataDir, redisUrl), log: { warn } })
  onTestFinished(() => shared.close())
  return shared
}

test('without Redis: the one of the folder', async () => {
  const dir = folder()
  expect((await openAt(dir)).secret).toEqual(serverSecret(dir))
})

test('Redis cannot be reached: the one of the folder', async () => {
  const dir = folder()
  expect((await openAt(dir, 'redis://127.0.0.1:1')).secret).toEqual(serverSecret(dir))
})

describe.skipIf(redisServer === null)('with Redis', () => {
  test('the first one says what it is; the others have it on disk, too, so that a Redis that comes back empty is told the same', async () => {
    const redis = await startTestRedis(redisServer ?? '')
    onTestFinished(() => redis.close())
    const [a, b, c] = [folder(), folder(), folder()]
    const first = await openAt(a, redis.url)
    expect(first.secret).toEqual(serverSecret(a))
    const own = serverSecret(b)
    expect(own).not.toEqual(first.secret)
    expect((await openAt(b, redis.url)).secret).toEqual(first.secret)
    expect(serverSecret(b)).toEqual(first.secret)
    expect(statSync(join(b, 'state', 'fingerprint.key')).mode & 0o777).toBe(0o600)
    await redis.kill()
    await redis.startAgain()
    expect((await openAt(b, redis.url)).secret).toEqual(first.secret)
    expect((await openAt(c, redis.url)).secret).toEqual(first.secret)
    expect(readFileSync(join(c, 'state', 'fingerprint.key'))).toEqual(first.secret)
  })

  test('many at once: one secret', async () => {
    const redis = await startTestRedis(redisServer ?? '')
    onTestFinished(() => redis.close())
    const all = await Promise.all(Array.from({ length: 8 }, () => openAt(folder(), redis.url)))
    expect(new Set(all.map(({ secret }) => secret.toString('hex'))).size).toBe(1)
  })

  test('it was away at the start, and others have another one: said once', async () => {
    const redis = await startTestRedis(redisServer ?? '')
    onTestFinished(() => redis.close())
    await redis.kill()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const warn = vi.fn()
    await openAt(folder(), redis.url, warn)
    await redis.startAgain()
    await openAt(folder(), redis.url)
    await expect
      .poll(() => {
        vi.advanceTimersByTime(60_000)
        return warn.mock.calls.length
      })
      .toBe(1)
    vi.advanceTimersByTime(180_000)
    expect(warn).toHaveBeenCalledOnce()
  })
})
