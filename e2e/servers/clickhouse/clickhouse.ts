import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TestingServerOptions } from '../../../clickhouse/engine/testing-server.js'

/**
 * A ClickHouse server as far as one can be had: `@clickhouse/client` speaks to it over HTTP, and it can be killed. No release of the
 * real one comes from a package registry; docker-compose.yml names it.
 */
export interface ClickHouse {
  /** For CLICKHOUSE_URL; the same after a restart. */
  readonly url: string
  /** Ends it without a word, and waits until it is gone. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>
  /** Freezes it and lets it go on: connections stay, nothing is answered. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Starts it again, on what is on disk. */
  start(): Promise<void>
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../../../dist/e2e/servers/clickhouse/main.js', import.meta.url))

const launch = async (dir: string, options: TestingServerOptions): Promise<{ child: ChildProcess; url: string }> => {
  mkdirSync(dir, { recursive: true })
  const child = spawn(process.execPath, [main, dir, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH ?? '', UV_THREADPOOL_SIZE: '16' },
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve(String(message)))
    child.once('exit', (code, signal) => reject(new Error(`The ClickHouse of the test ended at once (${code ?? signal}).`)))
  })
  return { child, url }
}

/** @param dir Kept: a folder that holds tables already goes on with them. */
export const startClickHouse = async (dir: string, options: TestingServerOptions = {}): Promise<ClickHouse> => {
  let { child, url } = await launch(dir, options)
  const port = Number(new URL(url).port)
  const kill = async (signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  return {
    url,
    kill,
    signal: (signal) => void child.kill(signal),
    async start() {
      ;({ child, url } = await launch(dir, { ...options, port }))
    },
    async stop() {
      child.kill('SIGCONT')
      await kill()
    },
  }
}
