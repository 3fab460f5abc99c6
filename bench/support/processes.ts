import { fork, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Helper {
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

const stopped = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
  })

/** Forks a module beside this one that tells its port by IPC. */
export const forkHelper = (module: string, args: readonly string[], env: Record<string, string>): Promise<Helper> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(module, import.meta.url)), args, { env: { ...process.env, ...env } })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${module} ended with ${String(code)} before it was ready.`)))
    child.once('message', (message) => {
      resolve({
        pid: child.pid ?? 0,
        port: (message as { port: number }).port,
        stop: () => {
          child.kill('SIGKILL')
          return stopped(child)
        },
      })
    })
  })

export interface Weir {
  readonly proxy: string
  readonly web: string
  readonly sql: string
  readonly pids: { readonly supervisor: number; readonly proxy: number; readonly hub: number }
  stop(): Promise<void>
}

/** `weir start --json` as a process of its own. */
export const startWeir = (cwd: string, env: Record<string, string>): Promise<Weir> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('../../cli/main.js', import.meta.url)), 'start', '--json'], {
      cwd,
      env: { ...process.env, WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_SQL_PORT: '0', WEIR_LOG_LEVEL: 'warn', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.once('exit', (code) => reject(new Error(`weir start ended with ${String(code)} before it was ready.`)))
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString()
      const line = text.split('\n').find((candidate) => candidate.startsWith('{') && candidate.endsWith('}'))
      if (line !== undefined)
        resolve({
          ...(JSON.parse(line) as Omit<Weir, 'stop'>),
          stop: () => {
            child.kill('SIGTERM')
            return stopped(child)
          },
        })
    })
  })

const ticksPerSecond = 100

/** CPU time a process has used so far, in microseconds (10 ms steps), and its resident memory in MiB. Linux only. */
export const usageOf = (pid: number): { readonly cpuUs: number; readonly rssMiB: number } => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return { cpuUs: (ticks / ticksPerSecond) * 1e6, rssMiB: Number(rss) / 1024 }
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
