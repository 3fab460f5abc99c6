import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { DbError, type Db } from './db.js'
import { laidOut, oneServer, type Layout } from './layout.js'

export interface Migration {
  readonly id: number
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file's text, hex. */
  readonly checksum: string
}

/** The schema in the store is not one this version can work on. The message is for the operator: what, and the way out. */
export class SchemaError extends Error {
  /** `behind`, `failed`: another try may find it mended. `foreign`: newer than this version, changed, or laid out otherwise. */
  readonly kind: 'behind' | 'failed' | 'foreign'
  constructor(kind: SchemaError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SchemaError'
    this.kind = kind
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

export const statements = (sql: string): string[] =>
  sql
    .replaceAll(/^--.*$/gm, '')
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')

export const bookOfMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
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
        'foreign',
        `The stored calls were last opened by a newer Weir: migration ${id} (${name}) is unknown to this version, which knows up to ` +
          `${own.at(-1)?.id ?? 0}. Start the newer version again, or point WEIR_DATA (or CLICKHOUSE_URL) at another store.`,
      )
    if (known.checksum !== checksum)
      throw new SchemaError(
        'foreign',
        `Migration ${id} (${name}) was changed after it had been applied to this store. Restore migrations/${String(id).padStart(4, '0')}-${known.name}.sql ` +
          'as it was released, and put the change into a new migration.',
      )
  }
}

const unknownTable = 60
const accessDenied = 497

const appliedTo = async (db: Db): Promise<readonly Applied[]> => {
  try {
    return await db.rows<Applied>('applied-migrations', 'SELECT id, name, checksum FROM schema_migrations FINAL ORDER BY id')
  } catch (cause) {
    if (cause instanceof DbError && cause.code === unknownTable) return []
    throw cause
  }
}

/** Tables are made once: a layout that is chosen later would hold for new ones alone. */
const checkLayout = async (db: Db, { replicated, sharded }: Layout): Promise<void> => {
  const tables = await db.rows<{ name: string; engine: string }>(
    'engine-of-requests',
    "SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND name IN ('requests', 'requests_local')",
  )
  const engineOf = (table: string): string => tables.find(({ name }) => name === table)?.engine ?? ''
  const is = {
    sharded: engineOf('requests') === 'Distributed',
    replicated: (engineOf('requests_local') || engineOf('requests')).startsWith('Replicated'),
  }
  const said = (layout: Pick<Layout, 'replicated' | 'sharded'>): string =>
    `${layout.replicated ? 'with' : 'without'} replicas and ${layout.sharded ? 'with' : 'without'} shards`
  if (is.replicated !== replicated || is.sharded !== sharded)
    throw new SchemaError(
      'foreign',
      `The tables of this store were made ${said(is)}, but weir.yaml (clickhouse:) says ${said({ replicated, sharded })}. ` +
        'Set it as the tables are, or name another database in CLICKHOUSE_URL: calls that are stored do not move by themselves.',
    )
}

const apply = async (db: Db, { id, name, sql }: Migration, layout: Layout, database: string): Promise<void> => {
  for (const statement of statements(sql).flatMap((each) => laidOut(each, layout, database))) {
    try {
      await db.exec(statement)
    } catch (cause) {
      const denied = cause instanceof DbError && cause.code === accessDenied
      throw new SchemaError(
        'failed',
        `Migration ${id} (${name}) failed: ${cause instanceof DbError ? cause.message : String(cause)}` +
          (denied ? ' Run `weir migrate` with a CLICKHOUSE_URL whose user may change tables.' : ''),
        { cause },
      )
    }
  }
}

export interface MigrateOptions {
  readonly own?: readonly Migration[]
  readonly layout?: Layout
  /** `await`: nothing is changed; a store that lacks a migration is refused. */
  readonly mode?: 'apply' | 'await'
}

/**
 * Brings the store to this version's schema. Forward only; each file's row is written after its last statement, so a
 * start that died half-way repeats the file, whose statements are all safe twice. A store that is up to date is only read.
 *
 * @returns The ids applied now, oldest first; empty when the schema was up to date.
 * @throws SchemaError when the store is newer than this version, an applied file was changed since, or a statement failed.
 */
export const migrate = async (
  db: Db,
  { own = ownMigrations(), layout = oneServer, mode = 'apply' }: MigrateOptions = {},
): Promise<readonly number[]> => {
  const applied = await appliedTo(db)
  checkAgainst(own, applied)
  const done = new Set(applied.map(({ id }) => id))
  const pending = own.filter(({ id }) => !done.has(id))
  const [first] = pending
  if (first !== undefined && mode === 'await')
    throw new SchemaError(
      'behind',
      `The store lacks migration ${first.id} (${first.name}): \`weir ingest\` or \`weir migrate\` brings it up to date.`,
    )
  if (first !== undefined) {
    const [at] = await db.rows<{ name: string }>('current-database', 'SELECT currentDatabase() AS name')
    const database = at?.name ?? 'default'
    await apply(db, { id: 0, name: 'book of migrations', sql: bookOfMigrations, checksum: '' }, layout, database)
    for (const migration of pending) {
      await apply(db, migration, layout, database)
      const { id, name, checksum } = migration
      await db.insert('schema_migrations', Buffer.from(`${JSON.stringify({ id, name, checksum })}\n`), `migration-${id}`)
    }
  }
  await checkLayout(db, layout)
  return pending.map(({ id }) => id)
}
