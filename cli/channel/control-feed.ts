import { z } from 'zod'
import type { Config } from '../../core/config.js'
import { snapshotOf, type ToldSnapshot } from '../../core/internal/control-snapshot.js'
import { askRole, RoleRefused, type RoleAddress } from './ask-role.js'

interface Options {
  readonly proxy: RoleAddress
  readonly config: Config
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: { warn(message: string): void }
}

/** What one proxy is told: at the start, whenever it changes, and again when the proxy does not know it. */
export interface ControlFeed {
  changed(config: Config): void
  stop(): void
}

const beatMs = 1000
/** A proxy that refused is asked again; it may have been given what it lacked. */
const refusedMs = 15_000
const said = z.object({ digest: z.string().nullable() })
const older = z.object({ madeAt: z.number() })
const refused = z.object({ error: z.string() })

/** Tells a proxy what the control plane says, and that it is there: a beat each second. Nobody waits for it, and nothing it does fails. */
export const feedControl = ({ proxy, config, now, log }: Options): ControlFeed => {
  let snapshot = snapshotOf(config, now())
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running = false
  let told = ''

  const warnOnce = (sentence: string): void => {
    if (sentence !== told) log.warn(sentence)
    told = sentence
  }

  const send = async (sent: ToldSnapshot): Promise<number> => {
    try {
      await askRole(proxy, { method: 'PUT', path: '/internal/snapshot', body: sent, timeoutMs: 5000 })
      told = ''
      return beatMs
    } catch (cause) {
      if (!(cause instanceof RoleRefused)) return beatMs
      const later = older.safeParse(cause.body)
      if (cause.status === 409 && later.success) {
        // Later than now: a clock was wrong when that was made. Later than this one: somebody else knows better.
        if (later.data.madeAt > now()) snapshot = { ...sent, madeAt: later.data.madeAt + 1 }
        else
          warnOnce(
            `The proxy at ${proxy.url} goes by what another control plane told it later. If there is one with another weir.yaml, make them the same.`,
          )
        return beatMs
      }
      const reason = refused.safeParse(cause.body)
      warnOnce(
        `The proxy at ${proxy.url} does not take keys, limits, targets and prices of this weir.yaml: ${reason.success ? reason.data.error : cause.message}`,
      )
      return refusedMs
    }
  }

  /** @returns When to look again. */
  const beat = async (): Promise<number> => {
    const current = snapshot
    try {
      const { digest } = said.parse(await askRole(proxy, { method: 'POST', path: '/internal/beat' }))
      if (digest === current.digest) return beatMs
    } catch (cause) {
      if (cause instanceof RoleRefused && cause.status === 404)
        warnOnce(
          `The proxy at ${proxy.url} does not know this WEIR_ADMIN_SECRET, or is of an older version: it is told nothing, and goes by its own weir.yaml.`,
        )
      return beatMs
    }
    return send(current)
  }

  const turn = async (): Promise<void> => {
    running = true
    let sent: ToldSnapshot
    let waitMs: number
    do {
      sent = snapshot
      waitMs = await beat()
    } while (sent !== snapshot)
    running = false
    if (!stopped) timer = setTimeout(() => void turn(), waitMs).unref()
  }
  void turn()

  return {
    changed(next) {
      const made = snapshotOf(next, now())
      if (made.digest === snapshot.digest) return
      snapshot = made
      if (running || stopped) return
      clearTimeout(timer)
      void turn()
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
