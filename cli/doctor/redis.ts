import { Redis } from 'ioredis'
import type { Check } from './check.js'
import { verdicts } from './check.js'

const connectMs = 3000
const questions = 20
/** What a call waits for at most. */
const deadlineMs = 20
const oldestMajor = 6

/** `redis://host:port`, without user and password. */
const shown = (url: string): string => {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}

/** The value of a field in the answer of INFO. */
const fieldOf = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** The time of one script, as a call would wait for it. */
const timeOf = async (redis: Redis): Promise<number> => {
  const startedAt = performance.now()
  await redis.eval("return redis.call('TIME')[1]", 0)
  return performance.now() - startedAt
}

/** What is wrong with a Redis that answers: the worst first. */
const judge = async (redis: Redis, where: string): Promise<Check> => {
  const { ok, warn, fail } = verdicts('redis')
  const info = await redis.info()
  // Valkey tells the version of Redis that it stands for, too.
  const version = fieldOf(info, 'redis_version')
  const name = `${fieldOf(info, 'server_name') === 'valkey' ? 'Valkey' : 'Redis'} ${fieldOf(info, 'valkey_version') || version}`
  if (Number.parseInt(version, 10) < oldestMajor)
    return fail(`${name} at ${where} is too old`, `Use Redis ${oldestMajor} or newer, or Valkey.`)
  if (fieldOf(info, 'role') === 'slave')
    return fail(`${name} at ${where} is a replica: it takes no writes`, 'Let REDIS_URL name the primary.')
  const times: number[] = []
  try {
    for (let i = 0; i < questions; i++) times.push(await timeOf(redis))
  } catch (cause) {
    return fail(
      `${name} at ${where} runs no Lua scripts (${(cause as Error).message})`,
      'Allow EVAL and EVALSHA to this user; limits, cache and circuits are scripts.',
    )
  }
  const ms = median(times)
  const told = `${name} at ${where}, ${ms.toFixed(1)} ms a question`
  if (ms > deadlineMs / 2)
    return warn(
      `${told}; calls wait ${deadlineMs} ms at most`,
      'Put it nearer to the proxies: what is late counts as away (limits.onStoreError), and the cache misses.',
    )
  const [maxmemory, policy] = [Number(fieldOf(info, 'maxmemory')), fieldOf(info, 'maxmemory_policy')]
  if (maxmemory > 0 && policy === 'noeviction')
    return warn(
      `${told}; full at ${Math.round(maxmemory / 1024 ** 2)} MiB it takes nothing more (noeviction)`,
      'Set maxmemory-policy volatile-lru or allkeys-lru: all that Weir keeps may go, and has a time to live.',
    )
  if (maxmemory === 0)
    return warn(`${told}; it has no maxmemory`, 'Set maxmemory, and maxmemory-policy allkeys-lru: the cache takes what it gets.')
  return ok(`${told}, up to ${Math.round(maxmemory / 1024 ** 2)} MiB, ${policy}`)
}

/** Asks the Redis of REDIS_URL what proxies would ask it; nothing is written. */
export const checkRedis = async (url: string): Promise<Check> => {
  const { fail } = verdicts('redis')
  const where = shown(url)
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: connectMs,
    commandTimeout: connectMs,
    retryStrategy: () => null,
  })
  let reason = ''
  redis.on('error', (cause: Error & { code?: string }) => {
    reason = cause.code ?? cause.message
  })
  try {
    await redis.connect()
    return await judge(redis, where)
  } catch (cause) {
    const said = reason || (cause as Error).message
    return /NOAUTH|WRONGPASS|NOPERM/.test(said)
      ? fail(`${where} refuses the credential (${said.split(' ')[0]})`, 'Check user, password and permissions in REDIS_URL.')
      : fail(
          `${where} cannot be reached (${said})`,
          'Start it, or correct REDIS_URL; calls go on meanwhile, without cache, and with limits as limits.onStoreError says.',
        )
  } finally {
    redis.disconnect()
  }
}
