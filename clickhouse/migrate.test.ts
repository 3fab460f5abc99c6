import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { migrate, ownMigrations, SchemaError } from './migrate.js'
import { engines, testFolder } from './testing.js'

const migrationsIn = (...files: readonly (readonly [name: string, sql: string])[]) => {
  const folder = join(testFolder(onTestFinished), 'migrations')
  mkdirSync(folder)
  const own = new URL('./migrations/', import.meta.url)
  for (const file of readdirSync(own)) copyFileSync(new URL(file, own), join(folder, file))
  for (const [name, sql] of files) writeFileSync(join(folder, name), sql)
  return ownMigrations(pathToFileURL(`${folder}/`))
}

describe.each(engines())('$name', ({ open }) => {
  const opened = async () => {
    const folder = testFolder(onTestFinished)
    const db = await open(folder)
    onTestFinished(() => db.close())
    return { db, folder }
  }

  test('applies each file once, and writes its checksum down', async () => {
    const { db } = await opened()
    const own = ownMigrations()
    expect(own.map(({ id, name }) => [id, name])).toContainEqual([1, 'calls'])
    expect(await migrate(db)).toEqual([])
    expect(await db.rows('applied', 'SELECT id, name, checksum FROM schema_migrations ORDER BY id')).toEqual(
      own.map(({ id, name, checksum }) => ({ id, name, checksum })),
    )
  })

  test('every statement is safe twice: a start that died before the checksum was written begins again', async () => {
    const { db } = await opened()
    await db.exec('TRUNCATE TABLE schema_migrations')
    expect(await migrate(db)).toEqual(ownMigrations().map(({ id }) => id))
    expect(
      await db.rows(
        'views',
        "SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'",
      ),
    ).toEqual([{ n: '11' }])
  })

  test('a failing statement leaves no checksum behind, and is named', async () => {
    const { db } = await opened()
    const broken = migrationsIn([
      '9000-broken.sql',
      'CREATE TABLE IF NOT EXISTS half (x UInt8) ENGINE = Memory;\nCREATE NONSENSE;\n',
    ])
    await expect(migrate(db, { own: broken })).rejects.toThrow(
      /^Migration 9000 \(broken\) failed: Code: 62\. DB::Exception: Syntax error/,
    )
    const mended = migrationsIn(['9000-broken.sql', 'CREATE TABLE IF NOT EXISTS half (x UInt8) ENGINE = Memory;\n'])
    expect(await migrate(db, { own: mended })).toEqual([9000])
    expect(await migrate(db, { own: mended })).toEqual([])
  })

  test('a file changed after it was applied stops the start', async () => {
    const { db } = await opened()
    await migrate(db, { own: migrationsIn(['9000-more.sql', 'SELECT 1;\n']) })
    await expect(migrate(db, { own: migrationsIn(['9000-more.sql', 'SELECT 2;\n']) })).rejects.toThrow(
      new SchemaError(
        'foreign',
        'Migration 9000 (more) was changed after it had been applied to this store. Restore migrations/9000-more.sql as it was released, ' +
          'and put the change into a new migration.',
      ),
    )
  })

  test('a folder of a newer version is refused with the way out, and can be opened by that version after', async () => {
    const { db, folder } = await opened()
    const newer = migrationsIn(['9000-tomorrow.sql', 'SELECT 1;\n'])
    await migrate(db, { own: newer })
    await db.close()
    await expect(open(folder)).rejects.toThrow(
      /^The stored calls were last opened by a newer Weir: migration 9000 \(tomorrow\) is unknown to this version, .* Start the newer version again, or point WEIR_DATA/,
    )
    // The refusal let go of the folder.
    await expect(open(folder)).rejects.toThrow(SchemaError)
  })
})
