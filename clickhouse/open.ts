import { join } from 'node:path'
import type { Config } from '../core/config.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { DbError, type Db } from './db.js'
import { oneServer, type Layout } from './layout.js'
import { migrate, SchemaError } from './migrate.js'

/** The engine is loaded when it is used: chDB's library takes 250 MB, which a hub with a ClickHouse server can spare. */
const openEngine = async ({ clickhouseUrl, dataDir }: Pick<Config, 'clickhouseUrl' | 'dataDir'>): Promise<Db> => {
  if (clickhouseUrl === null) return (await import('./engine/embedded.js')).openEmbedded(join(dataDir, 'chdb'))
  return (await import('./engine/server.js')).openServer(clickhouseUrl)
}

type Where = Pick<Config, 'clickhouseUrl' | 'dataDir'> & { readonly clickhouse?: Layout }

interface Options {
  /** `await`: a server's schema is brought up to date by others, and waited for. The embedded engine's is always ours. */
  readonly schema?: 'apply' | 'await'
  /** With it a server that cannot be used yet is waited for: told why, once for each try. Without it the first failure is thrown. */
  readonly onWait?: (sentence: string) => void
  readonly signal?: AbortSignal
}

const backOffMs = { base: 250, cap: 15_000 }

/** As CLICKHOUSE_URL, without user and password. */
export const serverAddress = (url: string): string => {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

/** Why a server cannot be used, in a sentence that says what to look at where that is known. */
export const serverFault = (cause: unknown): string => {
  if (!(cause instanceof DbError)) return cause instanceof Error ? cause.message : String(cause)
  if (cause.code === 516 || cause.code === 194) return 'It refuses the user or the password in CLICKHOUSE_URL.'
  if (cause.code === 81) return 'It has no database of that name: make it, or name another one in CLICKHOUSE_URL.'
  const said = `${(cause.message.split('\n', 1)[0] ?? '').replace(/[.:]$/, '')}.`
  if (/wrong version number|EPROTO|SSL routines|packet length too long/i.test(said))
    return `It speaks no TLS there: http:// instead of https://, or another port (8443). ${said}`
  if (/certificate|self.signed|altnames/i.test(said)) return `Its certificate is not trusted. ${said}`
  if (/Parse Error|socket hang up|ECONNRESET/i.test(said))
    return `${said} It is the HTTP port that CLICKHOUSE_URL names (8123), with https:// where it speaks TLS.`
  return said
}

const passes = (cause: unknown): boolean => cause instanceof DbError || (cause instanceof SchemaError && cause.kind !== 'foreign')

const openOnce = async (where: Where, mode: 'apply' | 'await'): Promise<Db> => {
  const db = await openEngine(where)
  try {
    await migrate(db, where.clickhouseUrl === null ? {} : { layout: where.clickhouse ?? oneServer, mode })
    return db
  } catch (cause) {
    await db.close()
    throw cause
  }
}

/**
 * The analytics store, its schema up to date: chDB under `WEIR_DATA/chdb`, or the server at CLICKHOUSE_URL. With a server the embedded
 * store is not touched.
 *
 * @throws FolderOwnedError when another process has the folder open.
 * @throws SchemaError when the schema is newer than this version, or an applied migration was changed: nothing is written.
 * @throws DbError when the engine cannot be reached or refuses, and nobody waits for it.
 */
export const openDb = async (where: Where, { schema = 'apply', onWait, signal }: Options = {}): Promise<Db> => {
  for (let waitMs = backOffMs.base; ; waitMs = Math.min(waitMs * 2, backOffMs.cap)) {
    try {
      return await openOnce(where, schema)
    } catch (cause) {
      if (where.clickhouseUrl === null || onWait === undefined || !passes(cause)) throw cause
      onWait(
        `The ClickHouse server at ${serverAddress(where.clickhouseUrl)} (CLICKHOUSE_URL) cannot be used yet. ${serverFault(cause)} ` +
          `Trying again in ${waitMs} ms.`,
      )
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal })
    }
  }
}
