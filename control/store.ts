import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Kysely, Migrator, PostgresDialect } from 'kysely'
import { acquireFolderLock } from '../core/folder-lock.js'
import { savedViews } from './migrations/0001-saved-views.js'
import { pgliteDialect } from './pglite-dialect.js'
import type { Tables } from './tables.js'

export type ControlDb = Kysely<Tables>

/** What the UI makes (config.md). Opened by the first write, or by the first read of a store that has been written to. */
export interface ControlStore {
  readonly kind: 'pglite' | 'postgres'
  /** `unopened` costs nothing; `failing` tells the last fault and is tried again by the next question. */
  state(): { readonly state: 'unopened' | 'ok' | 'failing'; readonly message: string }
  /**
   * Asks the store.
   *
   * @returns `nothing` without opening it, when nothing was ever written.
   * @throws FolderOwnedError when another process owns the folder; an error of the driver when the server does not answer.
   */
  read<T>(question: (db: ControlDb) => Promise<T>, nothing: T): Promise<T>
  /** Changes the store, making it first if need be. Throws as `read`. */
  write<T>(change: (db: ControlDb) => Promise<T>): Promise<T>
  close(): Promise<void>
}

interface Opened {
  readonly db: ControlDb
  readonly release: () => Promise<void>
}

const migrated = async (db: ControlDb): Promise<void> => {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve({ '0001-saved-views': savedViews }) },
    migrationTableName: 'schema_migrations',
    migrationLockTableName: 'schema_migrations_lock',
  })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error instanceof Error ? error : new Error(String(error))
}

/** PGlite lets a second process open the folder without a word and loses what one of them writes: hence our own lock. */
const openPGlite = async (dir: string): Promise<Opened> => {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const lock = await acquireFolderLock(dir)
  try {
    const { PGlite } = await import('@electric-sql/pglite')
    const pg = await PGlite.create({ dataDir: join(dir, 'pg') })
    return { db: new Kysely<Tables>({ dialect: pgliteDialect(pg) }), release: () => lock.release() }
  } catch (cause) {
    await lock.release()
    throw cause
  }
}

const openPostgres = async (url: string, failed: (cause: Error) => void): Promise<Opened> => {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: url, max: 4, connectionTimeoutMillis: 5000, statement_timeout: 10_000 })
  // An idle connection that breaks is an event, not a rejection: unheard it would end the process.
  pool.on('error', failed)
  return { db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }), release: () => Promise.resolve() }
}

/**
 * The control store: Postgres at `databaseUrl`, else PGlite under `WEIR_DATA/control`. Returns at once; nothing is opened yet.
 */
export const controlStore = ({ dataDir, databaseUrl }: { dataDir: string; databaseUrl: string | null }): ControlStore => {
  const dir = join(dataDir, 'control')
  let opening: Promise<Opened> | null = null
  let fault: string | null = null
  let isOpen = false
  let closed = false

  const begin = async (): Promise<Opened> => {
    const opened =
      databaseUrl === null ? await openPGlite(dir) : await openPostgres(databaseUrl, (cause) => (fault = cause.message))
    try {
      await migrated(opened.db)
      isOpen = true
      return opened
    } catch (cause) {
      await opened.db.destroy()
      await opened.release()
      throw cause
    }
  }
  const open = async (): Promise<ControlDb> => {
    if (closed) throw new Error('The control store is closed.')
    opening ??= begin()
    try {
      return (await opening).db
    } catch (cause) {
      opening = null
      throw cause
    }
  }
  const ask = async <T>(question: (db: ControlDb) => Promise<T>): Promise<T> => {
    try {
      const answer = await question(await open())
      fault = null
      return answer
    } catch (cause) {
      fault = cause instanceof Error ? cause.message : String(cause)
      throw cause
    }
  }

  return {
    kind: databaseUrl === null ? 'pglite' : 'postgres',
    state: () => {
      if (fault !== null) return { state: 'failing', message: fault }
      return isOpen ? { state: 'ok', message: 'open' } : { state: 'unopened', message: 'opened when something is saved' }
    },
    read: async (question, nothing) => {
      const written = databaseUrl !== null || opening !== null || existsSync(join(dir, 'pg', 'PG_VERSION'))
      return written ? await ask(question) : nothing
    },
    write: ask,
    close: async () => {
      closed = true
      const opened = await opening?.catch(() => null)
      await opened?.db.destroy()
      await opened?.release()
    },
  }
}
