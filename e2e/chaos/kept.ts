import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { pause } from './scene.js'

/** A process that is started anew whenever it ends, as a service manager does. */
export interface Kept {
  readonly name: string
  /** Of the process that runs now; `null` between two. */
  pid(): number | null
  /** Ends it from outside; resolves once it is gone. It comes back by itself. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  /** How often it ended although nobody ended it, in words. */
  crashes(): readonly string[]
  /** What its processes wrote, the last megabyte. */
  said(): string
  /** For good: SIGTERM, and SIGKILL where that takes over 40 s. */
  stop(): Promise<void>
}

interface Options {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Awaited before each start but the first. */
  readonly beforeAgain?: () => Promise<void>
  readonly onLine?: (line: string) => void
}

const againMs = 200
const stopMs = 40_000
const keptText = 1_000_000

export const keep = ({ name, command, args, cwd, env, beforeAgain, onLine }: Options): Kept => {
  let child: ChildProcess | null = null
  let told = false
  let stopping = false
  let said = ''
  const crashes: string[] = []
  /** Of this start and the one before: what a killed process started may still be there. */
  let groups: readonly number[] = []
  const listen = (started: ChildProcess): void => {
    for (const out of [started.stdout, started.stderr]) {
      let line = ''
      out?.on('data', (chunk: Buffer) => {
        const text = chunk.toString()
        said = (said + text).slice(-keptText)
        const lines = (line + text).split('\n')
        line = lines.pop() ?? ''
        if (onLine !== undefined) for (const whole of lines) onLine(whole)
      })
    }
  }
  const begin = (): void => {
    // A process group of its own: Ctrl-C on this terminal is not meant for it.
    const started = spawn(command, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...env } })
    child = started
    told = false
    if (started.pid !== undefined) groups = [...groups.slice(-1), started.pid]
    listen(started)
    started.once('exit', (code, signal) => {
      child = null
      if (stopping) return
      if (!told) crashes.push(`${name} ended by itself (${signal ?? `exit code ${code ?? 0}`})`)
      void (async () => {
        await pause(againMs)
        await beforeAgain?.()
        if (!stopping) begin()
      })()
    })
  }
  const killGroups = (): void => {
    for (const group of groups)
      try {
        process.kill(-group, 'SIGKILL')
      } catch {
        // All gone already.
      }
  }
  process.once('exit', killGroups)
  begin()
  return {
    name,
    pid: () => child?.pid ?? null,
    async end(signal) {
      const running = child
      if (running === null) return
      told = true
      const gone = once(running, 'exit')
      running.kill(signal)
      await gone
    },
    crashes: () => crashes,
    said: () => said,
    async stop() {
      stopping = true
      const running = child
      if (running !== null) {
        const gone = once(running, 'exit')
        running.kill('SIGCONT')
        running.kill('SIGTERM')
        const hurry = setTimeout(killGroups, stopMs)
        await gone
        clearTimeout(hurry)
      }
      killGroups()
      process.off('exit', killGroups)
    },
  }
}
