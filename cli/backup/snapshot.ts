import { constants } from 'node:fs'
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { linkStore, storeSums } from '../../clickhouse/backup.js'
import type { Db } from '../../clickhouse/db.js'
import type { ControlStore } from '../../control/store.js'
import { copyJournal } from '../../journal/backup.js'
import { imageIn, writeManifest, type Manifest } from './manifest.js'

interface Options {
  /** `WEIR_DATA` */
  readonly dataDir: string
  /** A folder that does not exist, on the same disk. */
  readonly to: string
  readonly db: Pick<Db, 'rows'>
  readonly control: ControlStore
  /** Runs work while nothing is stored or committed. */
  readonly whilePaused: <T>(work: () => Promise<T>) => Promise<T>
  readonly version: string
  readonly now: () => number
}

/** Where copies of a running house are made. */
export const stagingIn = (dataDir: string): string => join(dataDir, 'backup')

/** Made anew by themselves, or copied by hands of their own. */
const apart = new Set(['chdb', 'journal', 'control', 'backup', join('state', 'cache'), join('state', 'spill')])
const passing = (name: string): boolean => /^(lock\.\d+|draft\..*)$|\.(draft|tmp)$/.test(name)

/** Small files that others may be writing anew meanwhile: each is whole, or not there. */
const copyLoose = async (from: string, to: string, below = ''): Promise<void> => {
  await mkdir(join(to, below), { recursive: true, mode: 0o700 })
  for (const entry of await readdir(join(from, below), { withFileTypes: true })) {
    const path = join(below, entry.name)
    if (apart.has(path) || passing(entry.name)) continue
    if (entry.isDirectory()) await copyLoose(from, to, path)
    else if (entry.isFile())
      await copyFile(join(from, path), join(to, path), constants.COPYFILE_FICLONE).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause
      })
  }
}

/** PGlite has one connection: while it is held nothing is written, and all of it is in the files. */
const copyControl = async (control: ControlStore, from: string, to: string): Promise<void> => {
  if (control.kind === 'postgres') return
  await control.read(
    (db) =>
      db.connection().execute(async (held) => {
        await sql`CHECKPOINT`.execute(held)
        await copyLoose(from, to)
      }),
    undefined,
  )
}

/**
 * A copy of a house that goes on working: every call that was stored when it was made, once, and those that waited in the journal, to be
 * stored by whoever starts on the copy. Ingest waits for some moments; calls do not.
 */
export const snapshot = async ({ dataDir, to, db, control, whilePaused, version, now }: Options): Promise<Manifest> => {
  const image = imageIn(to)
  await mkdir(image, { recursive: true, mode: 0o700 })
  const facts = await whilePaused(async () => {
    const at = new Date(now()).toISOString()
    await linkStore(db, join(dataDir, 'chdb'), join(image, 'chdb'))
    await copyJournal(join(dataDir, 'journal'), join(image, 'journal'), now)
    return { at, store: await storeSums(db) }
  })
  await copyControl(control, join(dataDir, 'control'), join(image, 'control'))
  await copyLoose(dataDir, image)
  return await writeManifest(to, { weir: version, ...facts })
}
