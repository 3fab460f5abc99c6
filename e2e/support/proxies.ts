import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

interface Options {
  /** Text of weir.yaml. */
  readonly yaml: string
  /** Default: one of its own, which goes with it. */
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A `weir proxy`, alone, in a process of its own. */
export interface RunningProxy {
  readonly url: string
  readonly pid: number
  /** What it logged so far. */
  logged(): string
  /** SIGTERM; safe twice. */
  stop(): Promise<void>
  /** SIGKILL. The data folder stays, where it was given. */
  kill(): Promise<void>
}

/** A folder for what outlives a proxy. Whoever makes it removes it. */
export const dataFolder = (): string => mkdtempSync(join(tmpdir(), 'weir-e2e-data-'))

/** Starts a `weir proxy` from `dist/` on a free port. */
export const openProxy = async ({ yaml, dataDir, env = {} }: Options): Promise<RunningProxy> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-e2e-proxy-'))
  const configFile = join(folder, 'weir.yaml')
  writeFileSync(configFile, yaml)
  let said = ''
  const child = fork(main, ['proxy'], {
    cwd: folder,
    silent: true,
    execArgv: [],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      WEIR_DATA: dataDir ?? join(folder, 'data'),
      WEIR_CONFIG: configFile,
      WEIR_PROXY_PORT: '0',
      WEIR_LOG_LEVEL: 'warn',
      ...env,
    },
  })
  for (const out of [child.stdout, child.stderr]) out?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const killNow = (): void => void child.kill('SIGKILL')
  process.once('exit', killNow)
  const exited = once(child, 'close')
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    const hurry = setTimeout(killNow, 20_000)
    await exited
    clearTimeout(hurry)
    process.off('exit', killNow)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const told = await Promise.race([
    once(child, 'message').then(([message]) => message as { type: string; message?: string; ports?: Record<string, number> }),
    exited.then(() => ({ type: 'ended', message: said, ports: undefined })),
  ])
  const port = told.ports?.proxy
  if (told.type !== 'ready' || port === undefined) {
    await end('SIGKILL')
    throw new Error(`weir proxy is not ready: ${told.message ?? told.type}`)
  }
  let ended: Promise<void> | null = null
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    logged: () => said,
    stop: () => (ended ??= end('SIGTERM')),
    kill: () => (ended ??= end('SIGKILL')),
  }
}
