import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A real `weir` process, run from the sources. */
export interface WeirProcess {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves with the exit code; `null` after a signal. */
  readonly exited: Promise<number | null>
  /** The first line of stdout. Rejects when the process ends before. */
  readonly firstLine: Promise<string>
}

const main = fileURLToPath(new URL('./main.ts', import.meta.url))

/**
 * @param env Beside PATH and HOME; nothing else of this process's environment is passed on.
 */
export const runWeir = (args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): WeirProcess => {
  const loader = import.meta.resolve('tsx')
  const child = spawn(process.execPath, ['--import', loader, main, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (stdout.includes('\n')) resolve(stdout.slice(0, stdout.indexOf('\n')))
    })
    child.once('close', (code) => reject(new Error(`weir ${args.join(' ')} ended (${code}) without a line. ${stderr}`)))
  })
  firstLine.catch(() => undefined)
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return { child, stdout: () => stdout, stderr: () => stderr, exited, firstLine }
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
