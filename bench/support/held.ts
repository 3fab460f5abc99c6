import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BenchFailed } from './bench.js'
import { preloading } from './processes.js'

/** What a process holds open. */
export interface Held {
  readonly descriptors: number
  readonly sockets: number
  /** That keep its event loop alive. */
  readonly timers: number
}

/** For the environment of a Weir whose timers are to be counted; what is asked for lands in `dir`. */
export const countable = (dir: string): Readonly<Record<string, string>> => ({
  BENCH_RESOURCES: dir,
  NODE_OPTIONS: preloading('./active-resources'),
})

const limitMs = 10_000

/** @throws BenchFailed when the process does not answer. */
export const heldBy = async (pid: number, dir: string): Promise<Held> => {
  const file = join(dir, String(pid))
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (const begun = performance.now(); !existsSync(file);) {
    if (performance.now() - begun > limitMs) throw new BenchFailed(`Process ${pid} does not tell what it holds.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { timers } = JSON.parse(readFileSync(file, 'utf8')) as { readonly timers: number }
  let descriptors = 0
  let sockets = 0
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')) sockets++
      descriptors++
    } catch {
      // Closed while we looked.
    }
  }
  return { descriptors, sockets, timers }
}
