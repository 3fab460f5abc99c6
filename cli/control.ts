import { setTimeout as sleep } from 'node:timers/promises'
import { controlStore, type ControlStore } from '../control/store.js'
import type { Config } from '../core/config.js'
import type { Log } from './log.js'
import { postgresFault } from './postgres-fault.js'

const backOffMs = { base: 250, cap: 15_000 }

/**
 * The control store of a role. A Postgres is looked for from the start on, in the background: the log says why it cannot be used, once for
 * each reason, and that it can.
 */
export const openControl = (config: Config, log: Log): ControlStore => {
  const store = controlStore(config)
  if (config.databaseUrl === null) return store
  const { host, pathname } = new URL(config.databaseUrl)
  const named = `The Postgres at ${host}${pathname} (DATABASE_URL)`
  const ending = new AbortController()
  const look = async (): Promise<void> => {
    let told = ''
    for (let waitMs = backOffMs.base; !ending.signal.aborted; waitMs = Math.min(waitMs * 2, backOffMs.cap)) {
      try {
        await store.read(() => Promise.resolve(null), null)
        if (told !== '') log.warn(`${named} answers: what the UI makes is kept there.`)
        return
      } catch (cause) {
        const reason = postgresFault(cause)
        if (reason !== told && !ending.signal.aborted)
          log.warn(`${named} cannot be used yet: saved views are away, calls go on. ${reason} It is tried again until it can.`)
        told = reason
        await sleep(waitMs, undefined, { signal: ending.signal, ref: false }).catch(() => undefined)
      }
    }
  }
  const looking = look()
  return {
    ...store,
    close: async () => {
      ending.abort()
      await store.close()
      await looking
    },
  }
}
