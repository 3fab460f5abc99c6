import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** A running Weir, as built, on free ports, with a data folder that goes with it. */
export interface UiHouse {
  readonly proxy: string
  readonly web: string
  readonly sql: string
  stop(): Promise<void>
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', () => resolve()) : resolve()))

/**
 * Starts `weir <command> --json ...` and waits for its ready line.
 *
 * @param args Beyond `--json`. The environment is this process's, less what would configure Weir.
 */
export const startUiHouse = async (command: 'start' | 'demo', args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<UiHouse> => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-ui-'))
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WEIR_|OTEL_|CLICKHOUSE_URL|DATABASE_URL|KAFKA_|REDIS_)/.test(name)))
  const child = spawn(process.execPath, [main, command, '--json', ...(command === 'demo' ? ['--data', join(folder, 'data')] : []), ...args], {
    cwd: folder,
    env: { ...clean, WEIR_DATA: join(folder, 'data'), WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_SQL_PORT: '0', WEIR_LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve)
      child.once('exit', (code) => reject(new Error(`weir ${command} ended with ${String(code)}: ${said}`)))
    })
    const { proxy, web, sql } = JSON.parse(line) as { proxy: string; web: string; sql: string }
    return { proxy, web, sql, stop }
  } catch (cause) {
    await stop()
    throw cause
  }
}
