import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import type { Log } from './log.js'
import type { RoleMessage } from './role.js'

/** Ports by name, as the role told them. */
export type Ports = Readonly<Record<string, number>>

export interface Supervised {
  readonly name: string
  /** Resolves at the first ready message; rejects when the first start fails for a reason another try would not mend. */
  readonly firstReady: Promise<Ports>
  /** Of the process that runs now; `null` between two. */
  pid(): number | null
  signal(name: NodeJS.Signals): void
  /** No more restarts. Sends SIGTERM and resolves when the process is gone; a second call sends it again. */
  stop(): Promise<void>
}

/** The role's first start failed; the message is its sentence. */
export class RoleFailed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'RoleFailed'
  }
}

interface Options {
  readonly name: string
  readonly entry: string
  readonly args: readonly string[]
  /** Read at each start: ports picked by the first one are kept for the next. */
  readonly env: () => NodeJS.ProcessEnv
  readonly onReady: (ports: Ports, pid: number) => void
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  readonly random?: () => number
  /** A process that ran so long starts the back-off anew: what fails at once is held back, not what is killed now and then. */
  readonly steadyMs?: number
}

const firstWaitMs = 250
const longestWaitMs = 15_000

/** Keeps one role running: starts it, and starts it anew, with back-off, whenever it ends unasked. */
export const supervise = (options: Options): Supervised => {
  const { name, entry, args, env, onReady, log, random = Math.random, steadyMs = 10_000 } = options
  let child: ChildProcess | null = null
  let waitMs = firstWaitMs
  let timer: NodeJS.Timeout | null = null
  let stopping = false
  let wasReady = false
  let settle: { resolve: (ports: Ports) => void; reject: (cause: Error) => void } | null = null
  const firstReady = new Promise<Ports>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // Someone who only stops the house need not handle a failed start.
  firstReady.catch(() => undefined)
  const gone: (() => void)[] = []

  const notReady = (): RoleFailed => new RoleFailed(`The ${name} was stopped before it was ready.`)
  const again = (): void => {
    // Half fixed, half by chance: two roles that died together do not come back together.
    const delay = waitMs / 2 + (random() * waitMs) / 2
    waitMs = Math.min(waitMs * 2, longestWaitMs)
    timer = setTimeout(begin, delay)
    log.warn(`The ${name} is started anew in ${Math.round(delay)} ms.`)
  }

  const begin = (): void => {
    timer = null
    const startedAt = Date.now()
    const process = fork(entry, [...args], { env: env(), stdio: ['ignore', 2, 2, 'ipc'] })
    child = process
    let failure: Extract<RoleMessage, { type: 'failed' }> | null = null
    process.on('message', (message: RoleMessage) => {
      if (message.type === 'failed') failure = message
      else {
        wasReady = true
        onReady(message.ports, process.pid ?? 0)
        settle?.resolve(message.ports)
      }
    })
    let over = false
    const ended = (how: string): void => {
      if (over) return
      over = true
      child = null
      for (const done of gone.splice(0)) done()
      if (stopping) return settle?.reject(notReady())
      if (failure?.expected === true && !wasReady) {
        stopping = true
        return settle?.reject(new RoleFailed(failure.message))
      }
      log.error(failure === null ? `The ${name} ended (${how}).` : `The ${name} did not start: ${failure.message}`)
      if (Date.now() - startedAt >= steadyMs) waitMs = firstWaitMs
      again()
    }
    // A process that could not be made has no exit.
    process.once('error', (cause) => (process.pid === undefined ? ended(cause.message) : undefined))
    process.once('exit', (code, signal) => ended(signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`))
  }
  begin()

  return {
    name,
    firstReady,
    pid: () => child?.pid ?? null,
    signal: (signal) => void child?.kill(signal),
    stop() {
      stopping = true
      if (timer !== null) clearTimeout(timer)
      timer = null
      const running = child
      if (running === null) {
        settle?.reject(notReady())
        return Promise.resolve()
      }
      const ended = new Promise<void>((resolve) => gone.push(resolve))
      running.kill('SIGTERM')
      return ended
    },
  }
}
