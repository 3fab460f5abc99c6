import { join } from 'node:path'
import type { Config } from '../core/config.js'
import type { Db } from './db.js'
import { migrate } from './migrate.js'

/** The engine is loaded when it is used: chDB's library takes 250 MB, which a hub with a ClickHouse server can spare. */
const openEngine = async ({ clickhouseUrl, dataDir }: Pick<Config, 'clickhouseUrl' | 'dataDir'>): Promise<Db> => {
  if (clickhouseUrl === null) return (await import('./engine/embedded.js')).openEmbedded(join(dataDir, 'chdb'))
  return (await import('./engine/server.js')).openServer(clickhouseUrl)
}

/**
 * The analytics store, its schema up to date: chDB under `WEIR_DATA/chdb`, or the server at CLICKHOUSE_URL.
 *
 * @throws FolderOwnedError when another process has the folder open.
 * @throws SchemaError when the schema is newer than this version, or an applied migration was changed.
 * @throws DbError when the engine cannot be reached or refuses.
 */
export const openDb = async (config: Pick<Config, 'clickhouseUrl' | 'dataDir'>): Promise<Db> => {
  const db = await openEngine(config)
  try {
    await migrate(db)
    return db
  } catch (cause) {
    await db.close()
    throw cause
  }
}
