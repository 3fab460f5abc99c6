import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** One role in a process of its own, as on a host of its own. */
export interface RunningRole {
  /** `http://127.0.0.1:port` of the role's own port. */
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  /** What it wrote to stdout and stderr so far. */
  said(): string
  /** SIGTERM; safe twice. Its folder goes with it. */
  stop(): Promise<void>
}

interface Options {
  readonly role: 'proxy' | 'ingest' | 'web'
  /** Text of weir.yaml. */
  readonly yaml?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A role that did not become ready. The message is all that it said. */
export class RoleEnded extends Error {}

/**
 * Starts a role from `dist/` on a free port, with a data folder of its own.
 *
 * @throws RoleEnded when it ends before it is ready.
 */
export const openRole = async ({ role, yaml = '', env = {} }: Options): Promise<RunningRole> => {
  const folder = mkdtempSync(join(tmpdir(), `weir-e2e-${role}-`))
  const configFile = join(folder, 'weir.yaml')
  const dataDir = join(folder, 'data')
  writeFileSync(configFile, yaml)
  let said = ''
  const child = fork(main, [role], {
    cwd: folder,
    silent: true,
    execArgv: [],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      WEIR_DATA: dataDir,
      WEIR_CONFIG: configFile,
      WEIR_PROXY_PORT: '0',
      WEIR_WEB_PORT: '0',
      WEIR_INGEST_PORT: '0',
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
    exited.then(() => ({ type: 'ended', message: '', ports: undefined })),
  ])
  const port = told.ports?.[role]
  if (told.type !== 'ready' || port === undefined) {
    await end('SIGKILL')
    throw new RoleEnded(`${told.message ?? ''}\n${said}`)
  }
  let ended: Promise<void> | null = null
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    dataDir,
    said: () => said,
    stop: () => (ended ??= end('SIGTERM')),
  }
}
