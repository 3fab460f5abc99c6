import type { Config } from '../../core/config.js'
import { replaceServerSecret, serverSecret } from '../server-secret.js'

interface Deps {
  readonly config: Config
  readonly log: { warn(fields: object, message: string): void }
}

export interface SharedSecret {
  /** 32 bytes. */
  readonly secret: Buffer
  close(): Promise<void>
}

const name = 'weir:secret'
/** Whoever is first says what it is. Asked for again and again, so that a Redis that forgets what is not used keeps it. */
const script = `
local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]`
const form = /^[0-9a-f]{64}$/
const askMs = 60_000
/** Nobody waits for it but the start. */
const deadlineMs = 1000

/**
 * The secret under which keys get their fingerprints and cached answers their names. All proxies of one Redis have the same: a key is one
 * caller, whichever of them it meets, and what one keeps the others find. Without Redis it is the one of the data folder.
 *
 * @returns With Redis away: the folder's, which was the common one if it was ever there.
 */
export const openSharedSecret = async ({ config: { dataDir, redisUrl }, log }: Deps): Promise<SharedSecret> => {
  const own = serverSecret(dataDir)
  if (redisUrl === null) return { secret: own, close: () => Promise.resolve() }
  const { openRedisLink } = await import('./redis-link.js')
  const link = openRedisLink({ url: redisUrl, deadlineMs, changed: () => undefined })
  const share = link.script('weirSecret', script)
  await link.begun

  /** `null` = Redis is away, or there is something else under that name. */
  const shared = async (mine: Buffer): Promise<Buffer | null> => {
    const answer = await link.run(() => share([name], [mine.toString('hex')])).catch(() => null)
    return typeof answer === 'string' && form.test(answer) ? Buffer.from(answer, 'hex') : null
  }

  const secret = (await shared(own)) ?? own
  if (!secret.equals(own)) replaceServerSecret(dataDir, secret)

  let told = false
  const compare = async (): Promise<void> => {
    const now = await shared(secret)
    if (now === null || now.equals(secret) || told) return
    told = true
    log.warn(
      {},
      'Redis was away when this proxy began, and other proxies have another secret: until it is started again, it names keys ' +
        'otherwise than they do, counts their limits apart and does not find what they keep.',
    )
  }
  const timer = setInterval(() => void compare(), askMs).unref()
  return {
    secret,
    close: () => {
      clearInterval(timer)
      return link.close()
    },
  }
}
