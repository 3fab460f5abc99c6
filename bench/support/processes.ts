import { fork, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hubNode } from '../../cli/hub-node.js'

export interface Helper {
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

/** Run from the sources by tests, from dist/ otherwise. */
const extension = extname(fileURLToPath(import.meta.url))
const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : []
const moduleAt = (path: string): string => fileURLToPath(new URL(`${path}${extension}`, import.meta.url))

/** NODE_OPTIONS that load a module (no suffix, from this folder) into every Node process of ours before it begins. */
export const preloading = (module: string): string =>
  [...loader, '--import', new URL(`${module}${extension}`, import.meta.url).href].join(' ')

/** What runs, and the signal that ends it: nothing outlives this process, however it ends. */
const running = new Map<ChildProcess, NodeJS.Signals>()
process.once('exit', () => running.forEach((signal, child) => child.kill(signal)))

const watched = (child: ChildProcess, signal: NodeJS.Signals): ChildProcess => {
  running.set(child, signal)
  child.once('exit', () => running.delete(child))
  return child
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null
const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => (hasEnded(child) ? resolve() : child.once('exit', () => resolve())))

/** Tells all that runs to end, and waits for it. */
export const stopAll = async (): Promise<void> => {
  const children = [...running]
  for (const [child, signal] of children) child.kill(signal)
  await Promise.all(children.map(([child]) => ended(child)))
}

/** A module in a process of its own, with what it said once it was ready. */
interface Forked<T> {
  readonly pid: number
  readonly told: T
  /** Sends it a message and waits for its next one. */
  ask<A>(question: string): Promise<A>
  stop(): Promise<void>
}

interface Forking {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What ends it. Default: SIGKILL. */
  readonly signal?: NodeJS.Signals
}

/** Forks a module (no suffix, from this folder) that tells something by IPC once it is ready, and ends when IPC does. */
export const forkModule = <T>(module: string, { args = [], env = {}, signal = 'SIGKILL' }: Forking = {}): Promise<Forked<T>> =>
  new Promise((resolve, reject) => {
    const child = watched(fork(moduleAt(module), args, { env: { ...process.env, ...env }, execArgv: loader }), signal)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${module} ended with ${String(code)} before it was ready.`)))
    child.once('message', (told) =>
      resolve({
        pid: child.pid ?? 0,
        told: told as T,
        ask: <A>(question: string) =>
          new Promise<A>((answered, failed) => {
            const gone = (): void => failed(new Error(`${module} ended before it answered.`))
            child.once('exit', gone)
            child.once('message', (answer) => {
              child.off('exit', gone)
              answered(answer as A)
            })
            child.send(question)
          }),
        stop: () => {
          child.kill(signal)
          return ended(child)
        },
      }),
    )
  })

/** A helper of this folder that listens on a port. */
export const forkHelper = async (module: string, env: Readonly<Record<string, string>> = {}): Promise<Helper> => {
  const { pid, told, stop } = await forkModule<{ readonly port: number }>(`./${module}`, { args: ['serve'], env })
  return { pid, port: told.port, stop }
}

/** A `weir` command, started. */
export interface Spawned {
  readonly pid: number
  /** First line of stdout that is JSON. Rejects when the process ends before. */
  readonly line: Promise<string>
  /** SIGTERM, and SIGKILL to it and `others` when it takes longer than 30 s. */
  stop(others?: readonly number[]): Promise<void>
}

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone, which is what we want.
  }
}

/** `weir <args>` as a process of its own, on free ports unless `env` says otherwise. */
export const spawnWeir = (args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Spawned => {
  const ports = { WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_INGEST_PORT: '0', WEIR_SQL_PORT: '0' }
  const child = watched(
    spawn(process.execPath, [...loader, moduleAt('../../cli/main'), ...args], {
      cwd,
      env: { ...process.env, WEIR_LOG_LEVEL: 'warn', ...ports, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
    'SIGTERM',
  )
  const line = new Promise<string>((resolve, reject) => {
    let text = ''
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`weir ${args.join(' ')} ended with ${String(code)} before it was ready.`)))
    child.stdout?.on('data', (piece: Buffer) => {
      text += piece.toString()
      const found = text.split('\n').find((candidate) => candidate.startsWith('{') && candidate.endsWith('}'))
      if (found !== undefined) resolve(found)
    })
  })
  line.catch(() => undefined)
  return {
    pid: child.pid ?? 0,
    line,
    async stop(others = []) {
      const late = setTimeout(() => {
        child.kill('SIGKILL')
        others.forEach(kill)
      }, 30_000)
      child.kill('SIGTERM')
      await ended(child)
      clearTimeout(late)
    },
  }
}

interface Role {
  readonly pid: number
  readonly ports: Readonly<Record<string, number>>
  stop(): Promise<void>
}

/** One role under IPC, as `weir start` runs it, on free ports. */
const forkRole = (role: 'proxy' | 'hub', cwd: string, env: NodeJS.ProcessEnv): Promise<Role> =>
  new Promise((resolve, reject) => {
    const ports = { WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_INGEST_PORT: '0', WEIR_SQL_PORT: '0' }
    const child = watched(
      fork(moduleAt('../../cli/main'), [role], {
        cwd,
        env: { ...process.env, WEIR_LOG_LEVEL: 'warn', ...ports, ...env },
        execArgv: loader,
      }),
      'SIGTERM',
    )
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`The ${role} ended with ${String(code)} before it was ready.`)))
    child.on(
      'message',
      (message: { readonly type: string; readonly message?: string; readonly ports?: Record<string, number> }) => {
        if (message.type === 'failed') reject(new Error(message.message))
        if (message.type !== 'ready' || message.ports === undefined) return
        resolve({
          pid: child.pid ?? 0,
          ports: message.ports,
          async stop() {
            const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
            child.kill('SIGTERM')
            await ended(child)
            clearTimeout(late)
          },
        })
      },
    )
  })

/** The hub alone: ingest, web, SQL. */
export const forkHub = async (
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly pid: number; readonly web: string; readonly sql: string; stop(): Promise<void> }> => {
  const { pid, ports, stop } = await forkRole('hub', cwd, hubNode(env))
  return { pid, web: `http://127.0.0.1:${ports.web}`, sql: env.CLICKHOUSE_URL ?? `http://127.0.0.1:${ports.sql}`, stop }
}

/** The proxy alone: what it journals waits for a hub. */
export const forkProxy = async (cwd: string): Promise<Helper> => {
  const { pid, ports, stop } = await forkRole('proxy', cwd, {})
  return { pid, port: ports.proxy ?? 0, stop }
}

const ticksPerSecond = 100

export interface ProcessUsage {
  /** CPU time so far, all threads, in steps of 10 ms. */
  readonly cpuUs: number
  readonly rssMiB: number
  /** The most it ever had. */
  readonly peakMiB: number
}

/** What a process has used so far; from /proc. */
export const usageOf = (pid: number): ProcessUsage => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? '0')
  return {
    cpuUs: ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6,
    rssMiB: kib('VmRSS') / 1024,
    peakMiB: kib('VmHWM') / 1024,
  }
}
