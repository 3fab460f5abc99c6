import { setTimeout as sleep } from 'node:timers/promises'
import { controlStore, type ControlStore } from '../control/store.js'
import type { Config } from '../core/config.js'
import type { Log } from './log.js'

const backOffMs = { base: 250, cap: 15_000 }

const reasonOf = (cause: unknown): string => {
  const { code = '', message } = cause as Error & { code?: string }
  const said = (message || code).replace(/\.$/, '')
  if (code === '28P01' || code === '28000' || /password/.test(said)) return `It refuses the user or the password (${said}).`
  if (code === '3D000') return `It has no database of that name: make it, or name another one (${said}).`
  if (code === '42501') return `Its user may not make tables (${said}).`
  if (/does not support SSL/.test(said)) return `It speaks no TLS: leave sslmode out (${said}).`
  if (/certificate|self.signed|altnames/i.test(said)) return `Its certificate is not trusted (${said}).`
  if (code.startsWith('E') || /timeout|ENOTFOUND|terminated/i.test(said)) return `It does not answer (${said}).`
  return `What answers there is no Postgres, or it cannot be used (${said}).`
}

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
        const reason = reasonOf(cause)
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
