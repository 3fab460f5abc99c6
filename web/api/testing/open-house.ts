import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Db } from '../../../clickhouse/db.js'
import { openTestDb } from '../../../clickhouse/testing.js'
import { loadConfig } from '../../../core/config.js'
import { createWebServer, type WebOptions } from '../server.js'

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
}

export interface OpenHouse {
  readonly db: Db
  readonly dataDir: string
  readonly port: number
  /** Tells the server that rows were stored. */
  stored(): void
  ask(path: string, options?: { method?: string; headers?: Record<string, string>; body?: string }): Promise<Answer>
  /** Asks and reads JSON; fails on an error status. */
  json<T>(path: string): Promise<T>
  close(): Promise<void>
}

/** A web server on a free port over a real engine in a folder of its own. */
export const openHouse = async (env: Record<string, string> = {}, options: Partial<WebOptions> = {}): Promise<OpenHouse> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'weir-web-'))
  const config = loadConfig({ WEIR_DATA: dataDir, ...env }, dataDir)
  const db = options.db ?? (await openTestDb(dataDir))
  const listeners = new Set<() => void>()
  const server = createWebServer({
    config,
    db,
    health: () => ({ causes: [], ingest: { lagSeconds: 0, lagBytes: 0, events: 0, deadLetters: 0 } }),
    destinations: () => [],
    stored: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    now: Date.now,
    log: quiet,
    ...options,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const ask: OpenHouse['ask'] = (path, { method = 'GET', headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('end', () =>
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(chunks).toString('utf8') }),
        )
        res.on('error', reject)
      })
      req.on('error', reject)
      req.end(body)
    })
  return {
    db,
    dataDir,
    port,
    stored: () => listeners.forEach((listener) => listener()),
    ask,
    json: async <T>(path: string): Promise<T> => {
      const { status, text } = await ask(path)
      if (status !== 200) throw new Error(`${path}: ${String(status)} ${text}`)
      return JSON.parse(text) as T
    },
    close: async () => {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
      await db.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
