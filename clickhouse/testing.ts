import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Db } from './db.js'
import { startTestingServer, type TestingServer } from './engine/testing-server.js'
import { openDb } from './open.js'

/**
 * An empty folder that goes away with the test.
 *
 * @param after vitest's `onTestFinished`; handed in, because this file is built with the rest.
 */
export const testFolder = (after: (undo: () => void) => void): string => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-clickhouse-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** JSON lines for `Db.insert`. */
export const lines = (...rows: readonly object[]): Buffer => Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))

/** Over HTTP to a server of this test's own, on the same folder. */
const openOwnServer = async (dataDir: string): Promise<Db> => {
  const server = await startTestingServer(join(dataDir, 'chdb'))
  const db = await openDb({ clickhouseUrl: server.url, dataDir }).catch(async (cause: unknown) => {
    await server.close()
    throw cause
  })
  let closed: Promise<void> | null = null
  return { ...db, close: () => (closed ??= db.close().then(() => server.close())) }
}

/** The engine the suite at hand runs on: every suite runs on the embedded one, those of the project `server` on a server as well. */
export const openTestDb = (dataDir: string): Promise<Db> =>
  process.env.WEIR_TEST_ENGINE === 'server' ? openOwnServer(dataDir) : openDb({ clickhouseUrl: null, dataDir })

/** The engines a contract is tested on; a real server as well when CLICKHOUSE_URL names an empty one. */
export const engines = (): readonly { readonly name: string; readonly open: (dataDir: string) => Promise<Db> }[] => {
  const url = process.env.CLICKHOUSE_URL
  return [
    { name: 'embedded', open: (dataDir) => openDb({ clickhouseUrl: null, dataDir }) },
    { name: 'server', open: openOwnServer },
    ...(url ? [{ name: 'real server', open: () => openDb({ clickhouseUrl: url, dataDir: '' }) }] : []),
  ]
}

/** A server that is the one shard of the cluster `weir`, for tables with `sharded: true`. */
export const startOneShard = (dir: string): Promise<TestingServer> => {
  const configFile = join(dir, 'config.xml')
  mkdirSync(join(dir, 'chdb'))
  writeFileSync(
    configFile,
    `<clickhouse><tcp_port>9000</tcp_port><remote_servers><weir><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></weir></remote_servers></clickhouse>`,
  )
  return startTestingServer(join(dir, 'chdb'), { configFile, aloneInCluster: true })
}
