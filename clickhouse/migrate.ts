import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { DbError, type Db } from './db.js'

export interface Migration {
  readonly id: number
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file's text, hex. */
  readonly checksum: string
}

/** The schema in the store is not one this version can work on. The message is for the operator: what, and the way out. */
export class SchemaError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SchemaError'
  }
}

const fileName = /^(\d{4})-([a-z0-9-]+)\.sql$/

/** The migrations this version brings, oldest first. */
export const ownMigrations = (folder = new URL('./migrations/', import.meta.url)): readonly Migration[] =>
  readdirSync(folder)
    .filter((file) => fileName.test(file))
    .sort()
    .map((file) => {
      const [, id, name = ''] = fileName.exec(file) ?? []
      const sql = readFileSync(new URL(file, folder), 'utf8')
      return { id: Number(id), name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })

const statements = (sql: string): string[] =>
  sql
    .replaceAll(/^--.*$/gm, '')
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')

const bookOfMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
  id UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(applied_at) ORDER BY id`

interface Applied {
  readonly id: number
  readonly name: string
  readonly checksum: string
}

const checkAgainst = (own: readonly Migration[], applied: readonly Applied[]): void => {
  const byId = new Map(own.map((migration) => [migration.id, migration]))
  for (const { id, name, checksum } of applied) {
    const known = byId.get(id)
    if (known === undefined)
      throw new SchemaError(
        `The stored calls were last opened by a newer Weir: migration ${id} (${name}) is unknown to this version, which knows up to ` +
          `${own.at(-1)?.id ?? 0}. Start the newer version again, or point WEIR_DATA (or CLICKHOUSE_URL) at another store.`,
      )
    if (known.checksum !== checksum)
      throw new SchemaError(
        `Migration ${id} (${name}) was changed after it had been applied to this store. Restore migrations/${String(id).padStart(4, '0')}-${known.name}.sql ` +
          'as it was released, and put the change into a new migration.',
      )
  }
}

/**
 * Brings the store to this version's schema. Forward only; each file's row is written after its last statement, so a
 * start that died half-way repeats the file, whose statements are all safe twice.
 *
 * @returns The ids applied now, oldest first; empty when the schema was up to date.
 * @throws SchemaError when the store is newer than this version, or an applied file was changed since.
 */
export const migrate = async (db: Db, own: readonly Migration[] = ownMigrations()): Promise<readonly number[]> => {
  await db.exec(bookOfMigrations)
  const applied = await db.rows<Applied>(
    'applied-migrations',
    'SELECT id, name, checksum FROM schema_migrations FINAL ORDER BY id',
  )
  checkAgainst(own, applied)
  const done = new Set(applied.map(({ id }) => id))
  const pending = own.filter(({ id }) => !done.has(id))
  for (const { id, name, sql, checksum } of pending) {
    for (const statement of statements(sql)) {
      try {
        await db.exec(statement)
      } catch (cause) {
        throw new SchemaError(`Migration ${id} (${name}) failed: ${cause instanceof DbError ? cause.message : String(cause)}`, {
          cause,
        })
      }
    }
    await db.insert('schema_migrations', Buffer.from(`${JSON.stringify({ id, name, checksum })}\n`), `migration-${id}`)
  }
  return pending.map(({ id }) => id)
}
