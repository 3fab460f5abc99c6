import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Db } from './db.js'
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

/** The engines a contract is tested on: the embedded one always, a server when CLICKHOUSE_URL names an empty one. */
export const engines = (): readonly { readonly name: string; readonly open: (dataDir: string) => Promise<Db> }[] => {
  const url = process.env.CLICKHOUSE_URL
  const embedded = { name: 'embedded', open: (dataDir: string) => openDb({ clickhouseUrl: null, dataDir }) }
  return url ? [embedded, { name: 'server', open: () => openDb({ clickhouseUrl: url, dataDir: '' }) }] : [embedded]
}
