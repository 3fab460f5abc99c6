import type { Config } from '../core/config.js'
import { checkedConfig } from './checked-config.js'
import { prepareDataFolder } from './data-folder.js'
import type { Log } from './log.js'
import { createLog } from './log.js'
import { explained, isExpected, sentenceOf } from './start-error.js'

/** What a role tells its supervisor. */
export type RoleMessage =
  | { readonly type: 'ready'; readonly ports: Readonly<Record<string, number>> }
  /** `expected`: the operator's surroundings are at fault, another try would fail the same. */
  | { readonly type: 'failed'; readonly message: string; readonly expected: boolean }

export interface RunningRole {
  /** By name: `proxy`, `web`, `sql`. */
  readonly ports: Readonly<Record<string, number>>
  /** Ends what is open, gently and in its own time. */
  drain(): Promise<void>
  /** Ends at once, keeping what is durable. Also after `drain`. */
  stop(): Promise<void>
}

interface Role {
  readonly name: string
  /** @param ending Fires at the first wish to end: a start that waits for something gives up. */
  readonly start: (config: Config, log: Log, ending: AbortSignal) => Promise<RunningRole>
}

/** How long a role whose supervisor died may go on (reliability.md §3: all gone within 30 s). */
const orphanDrainMs = 25_000
const orphanLifeMs = 29_000
/** Past a `stop` that hangs, the process ends anyway: what is durable is on disk. */
const stopMs = 10_000

/** One Ctrl-C can arrive twice, from the terminal and from npm: what follows this closely is the same wish. */
export const sameSignalMs = 500

const within = (ms: number, work: Promise<unknown>): Promise<unknown> =>
  Promise.race([work, new Promise((resolve) => setTimeout(resolve, ms).unref())])

const tell = (message: RoleMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) return resolve()
    process.send(message, () => resolve())
  })

/**
 * Runs one role in this process until it is told to end. SIGTERM (Ctrl-C too, without a supervisor) drains, the second one stops
 * at once; a supervisor that is gone counts as the first.
 *
 * @returns The exit code.
 */
export const runRole = async ({ name, start }: Role): Promise<number> => {
  const supervised = process.send !== undefined
  const config = checkedConfig(process.env, process.cwd())
  const log = createLog(name, config.logLevel)
  let running: RunningRole | null = null
  const ending = new AbortController()
  const hurry = new AbortController()
  let toldAt = 0
  const end = (): void => {
    if (!ending.signal.aborted) {
      toldAt = Date.now()
      ending.abort()
    } else if (Date.now() - toldAt > sameSignalMs) hurry.abort()
  }
  process.on('SIGTERM', end)
  // A terminal sends Ctrl-C to every process of the group; under a supervisor its SIGTERM sets the order.
  process.on('SIGINT', supervised ? () => undefined : end)
  process.on('disconnect', () => {
    log.warn('The supervisor is gone; draining.')
    if (!ending.signal.aborted) ending.abort()
    setTimeout(() => hurry.abort(), orphanDrainMs).unref()
    setTimeout(() => process.exit(1), orphanLifeMs).unref()
  })
  const crash = (cause: unknown): void => {
    log.fatal({ err: cause }, 'Uncaught error; the process ends and is started anew.')
    void within(2000, running?.stop() ?? Promise.resolve()).finally(() => process.exit(1))
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)

  try {
    prepareDataFolder(config.dataDir)
    running = await start(config, log, ending.signal)
  } catch (failure) {
    if (ending.signal.aborted) process.exit(0)
    const cause = explained(failure, {
      host: config.host,
      dataDir: config.dataDir,
      ports: {
        [config.proxyPort]: 'WEIR_PROXY_PORT',
        [config.webPort]: 'WEIR_WEB_PORT',
        [config.ingestPort]: 'WEIR_INGEST_PORT',
        [config.sqlPort]: 'WEIR_SQL_PORT',
      },
    })
    if (!supervised) throw cause
    if (config.logLevel === 'debug') log.debug({ err: cause }, 'Start failed.')
    await tell({ type: 'failed', message: sentenceOf(cause), expected: isExpected(cause) })
    process.exit(1)
  }
  const role = running
  await tell({ type: 'ready', ports: role.ports })
  if (!supervised) log.info({ ...role.ports }, `${name} is ready.`)

  // Ingest alone holds nothing that keeps a process up: no socket, no channel to a supervisor.
  const upkeep = setInterval(() => undefined, 2 ** 30)
  await aborted(ending.signal)
  clearInterval(upkeep)
  log[supervised ? 'debug' : 'info']('Draining.')
  await Promise.race([role.drain(), aborted(hurry.signal)])
  await within(stopMs, role.stop())
  log[supervised ? 'debug' : 'info']('Ended.')
  process.exit(0)
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))
