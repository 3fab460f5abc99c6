import { Redis } from 'ioredis'
import { StoreDown } from './limit-store.js'

export interface RedisLinkOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string
  /** How long a call waits for an answer. */
  readonly deadlineMs?: number
  /** Told when Redis goes away and when it is back, with the reason it gave. */
  readonly changed: (isUp: boolean, cause: Error | null) => void
  /** Told of each question that got no answer in time. */
  readonly failed?: (reason: RedisFailure) => void
}

/** It did not answer within the deadline; it answered with an error; it was not asked, because it is known to be away. */
export type RedisFailure = 'late' | 'refused' | 'away'

/** A script: its keys, then its arguments. */
export type RedisScript = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>

/** A script that is given bytes, and answers with them. */
export type RedisBytesScript = (keys: readonly string[], args: readonly (string | number | Buffer)[]) => Promise<unknown>

/** A connection that no call waits for longer than the deadline, and not at all while Redis is known to be away. */
export interface RedisLink {
  /** Resolves with the first connection, or after a second without one. */
  readonly begun: Promise<void>
  readonly isUp: boolean
  /** Makes a Lua script callable; it is sent once per connection, then named by its digest. */
  script(name: string, lua: string): RedisScript
  bytesScript(name: string, lua: string): RedisBytesScript
  /**
   * @param late Gets an answer that came after the deadline.
   * @throws StoreDown
   */
  run<T>(send: () => Promise<T>, late?: (answer: T) => void): Promise<T>
  /** Removes every key of a pattern, in its own time. @returns How many there were. @throws StoreDown */
  removeAll(pattern: string): Promise<number>
  close(): Promise<void>
}

const deadline = 20
const longestRetryMs = 1000
/** A connection on which something is asked and nothing comes is given up, and another one opened. */
const silentMs = 2000
const beginMs = 1000

/** Connects in the background, again and again. */
export const openRedisLink = ({ url, deadlineMs = deadline, changed, failed }: RedisLinkOptions): RedisLink => {
  let isReady = false
  /** It let a call wait in vain: none waits until something comes from it again. */
  let isSilent = false
  let wasUp: boolean | null = null
  let lastCause: Error | null = null
  let closing = false
  let begin: () => void
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const beginTimer = setTimeout(() => begin(), beginMs)

  const tell = (): void => {
    const isUp = isReady && !isSilent
    if (isUp === wasUp || closing) return
    wasUp = isUp
    changed(isUp, isUp ? null : lastCause)
  }
  const answered = (): void => {
    if (!isSilent) return
    isSilent = false
    tell()
  }

  const redis = new Redis(url, {
    connectionName: 'weir',
    enableOfflineQueue: false,
    // What was under way when a connection broke is not asked again: its call has gone on long since.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    socketTimeout: silentMs,
    connectTimeout: 5000,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times - 1, 10), longestRetryMs),
  })
  redis.on('ready', () => {
    isReady = true
    isSilent = false
    clearTimeout(beginTimer)
    begin()
    tell()
  })
  redis.on('error', (cause: Error) => {
    lastCause = cause
  })
  redis.on('close', () => {
    isReady = false
    tell()
  })

  /** @param as The client's name for the script, which says whether its answer is text or bytes. */
  const defined = (name: string, as: string, lua: string): RedisBytesScript => {
    redis.defineCommand(name, { lua })
    const call = (redis as unknown as Record<string, (...args: readonly (string | number | Buffer)[]) => Promise<unknown>>)[as]
    if (call === undefined) throw new TypeError(`The script ${name} was not defined.`)
    return (keys, args) => call.call(redis, keys.length, ...keys, ...args)
  }

  return {
    begun,
    get isUp() {
      return isReady && !isSilent
    },
    script: (name, lua) => defined(name, name, lua),
    bytesScript: (name, lua) => defined(name, `${name}Buffer`, lua),
    run: <T>(send: () => Promise<T>, late?: (answer: T) => void) => {
      if (!isReady || isSilent) {
        failed?.('away')
        return Promise.reject(new StoreDown('Redis is known to be away.'))
      }
      return new Promise<T>((resolve, reject) => {
        let isOver = false
        const giveUp = (): void => {
          if (isOver) return
          isOver = true
          isSilent = true
          tell()
          failed?.('late')
          reject(new StoreDown(`Redis did not answer within ${deadlineMs} ms.`))
        }
        // A busy event loop is not a silent Redis: what has come meanwhile is read before this is decided.
        const timer = setTimeout(() => setImmediate(giveUp), deadlineMs)
        send().then(
          (answer) => {
            answered()
            if (isOver) return void late?.(answer)
            isOver = true
            clearTimeout(timer)
            resolve(answer)
          },
          (cause: unknown) => {
            if (isOver) return
            isOver = true
            clearTimeout(timer)
            failed?.('refused')
            reject(new StoreDown('Redis could not do it.', { cause }))
          },
        )
      })
    },
    removeAll: async (pattern) => {
      if (!isReady) throw new StoreDown('Redis is known to be away.')
      let removed = 0
      try {
        let cursor = '0'
        do {
          const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 500)
          if (keys.length > 0) removed += await redis.unlink(...keys)
          cursor = next
        } while (cursor !== '0')
      } catch (cause) {
        throw new StoreDown('Redis could not do it.', { cause })
      }
      return removed
    },
    close: () => {
      closing = true
      clearTimeout(beginTimer)
      begin()
      redis.disconnect()
      return Promise.resolve()
    },
  }
}
