import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '../core/config.js'
import { checkedConfig } from './checked-config.js'
import type { Log } from './log.js'
import { sentenceOf } from './start-error.js'

type Key = keyof Config

const changedKeys = (before: Config, after: Config): readonly Key[] =>
  (Object.keys(after) as Key[]).filter((key) => key !== 'file' && JSON.stringify(before[key]) !== JSON.stringify(after[key]))

interface Reload {
  readonly config: Config
  /** What this role can change while it runs. */
  readonly live: ReadonlySet<Key>
  /** What it uses and cannot change: named as waiting for a restart. Other keys are other roles' business. */
  readonly fixed: ReadonlySet<Key>
  readonly apply: (config: Config) => void | Promise<void>
  readonly log: Log
}

const lookMs = 400

/** Changes whenever the file does; `gone` when there is none. */
const stampOf = (path: string): Promise<string> =>
  stat(path).then(
    ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
    () => 'gone',
  )

/**
 * Reads weir.yaml again on SIGHUP and within a second of a change. It is applied whole or not at all: a bad file changes nothing,
 * and its faults are logged.
 *
 * @returns Stops watching.
 */
export const watchConfig = ({ config, live, fixed, apply, log }: Reload): (() => void) => {
  const path = config.file ?? resolve(process.env.WEIR_CONFIG || 'weir.yaml')
  /** Until the restart that they need, these stay as they were at the start. */
  const held = Object.fromEntries([...fixed].map((key) => [key, config[key]])) as Partial<Config>
  let current = config
  let turn = Promise.resolve()

  const reload = async (): Promise<void> => {
    let next: Config
    try {
      next = checkedConfig(process.env, process.cwd())
    } catch (cause) {
      log.error(`${path} was changed but not applied, the configuration from before stays in force. ${sentenceOf(cause)}`)
      return
    }
    const changed = changedKeys(current, next)
    if (changed.length === 0) return
    const now = changed.filter((key) => live.has(key))
    const later = changed.filter((key) => fixed.has(key))
    try {
      if (now.length > 0) await apply({ ...next, ...held })
    } catch (cause) {
      log.error(`${path} was changed but not applied, the configuration from before stays in force. ${sentenceOf(cause)}`)
      return
    }
    current = next
    if (now.length > 0) log.info(`${path} applied: ${now.join(', ')}.`)
    if (later.length > 0) log.warn(`${path}: ${later.join(', ')} will hold after a restart.`)
  }
  const again = (): void => {
    turn = turn.then(reload)
  }
  let applied = ''
  let before = ''
  const look = async (): Promise<void> => {
    const now = await stampOf(path)
    // Twice the same: whoever writes it is done. The first look applies, too: the file may have changed since the start read it.
    if (now === before && now !== applied) {
      applied = now
      again()
    }
    before = now
  }
  const timer = setInterval(() => void look(), lookMs).unref()
  process.on('SIGHUP', again)
  return () => {
    clearInterval(timer)
    process.off('SIGHUP', again)
  }
}
