import { readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { storeSums, type StoreSums } from '../clickhouse/backup.js'
import { openEmbedded } from '../clickhouse/engine/embedded.js'
import { ownMigrations } from '../clickhouse/migrate.js'
import { loadConfig, type Config } from '../core/config.js'
import { syncFolder } from '../journal/sync-folder.js'
import { copyImage } from './backup/copy-image.js'
import { checkFiles, imageIn, listedFiles, readManifest, type Manifest } from './backup/manifest.js'
import { progressOn, sizeOf } from './backup/progress.js'
import { checkRoom, isEmptyFolder } from './backup/room.js'
import { UsageError, type Command } from './command.js'
import { prepareDataFolder } from './data-folder.js'
import { isExpected, sentenceOf } from './start-error.js'

const draftName = '.restoring'

const checkVersion = ({ weir, store }: Manifest): void => {
  const known = ownMigrations().at(-1)?.id ?? 0
  if (store.migration > known)
    throw new Error(
      `The backup was made by Weir ${weir}, whose store (migration ${store.migration}) is newer than this version knows (${known}): ` +
        'restore it with that version or a newer one.',
    )
}

const checkEmpty = async (dataDir: string): Promise<void> => {
  const isDraft = (await readdir(dataDir).catch((): string[] => [])).includes(draftName)
  if (isDraft) await rm(join(dataDir, draftName), { recursive: true, force: true })
  if (!(await isEmptyFolder(dataDir)))
    throw new Error(
      `${dataDir} (WEIR_DATA) is not empty, and nothing is overwritten: set WEIR_DATA to another folder, or move it away.`,
    )
}

/** The engine has to open the copy, and find in it what was there. */
const checkSums = async (dir: string, wanted: StoreSums): Promise<StoreSums> => {
  const db = await openEmbedded(dir)
  try {
    const found = await storeSums(db)
    for (const name of ['calls', 'callsByUser', 'costUsd', 'migration'] as const)
      if (found[name] !== wanted[name])
        throw new Error(`The restored store has ${name} ${found[name]} instead of ${wanted[name]}: nothing was restored.`)
    return found
  } finally {
    await db.close()
  }
}

const restore = async (
  backup: string,
  { dataDir }: Config,
): Promise<{ readonly manifest: Manifest; readonly found: StoreSums }> => {
  const manifest = await readManifest(backup)
  checkVersion(manifest)
  const listed = await listedFiles(backup)
  await checkFiles(imageIn(backup), listed)
  await checkEmpty(dataDir)
  prepareDataFolder(dataDir)
  await checkRoom(dataDir, manifest.bytes)
  const draft = join(dataDir, draftName)
  const sizes = new Map(listed.map(({ path, bytes }) => [path, bytes]))
  const progress = progressOn(process.stderr)
  let [files, bytes] = [0, 0]
  try {
    // Copied, not linked: the backup stays what it is.
    await copyImage(imageIn(backup), draft, {
      mayLink: () => false,
      onFile(path) {
        files++
        bytes += sizes.get(path) ?? 0
        progress.tell(`Restored: ${files} of ${manifest.files} files, ${sizeOf(bytes)} of ${sizeOf(manifest.bytes)}`)
      },
    })
    await checkFiles(draft, listed)
    const found = await checkSums(join(draft, 'chdb'), manifest.store)
    for (const name of await readdir(draft)) await rename(join(draft, name), join(dataDir, name))
    await syncFolder(dataDir)
    return { manifest, found }
  } finally {
    progress.end()
    await rm(draft, { recursive: true, force: true })
  }
}

const text = ({ manifest: { at, weir, files, bytes }, found }: Awaited<ReturnType<typeof restore>>, config: Config): string =>
  `Restored into ${config.dataDir}: ${found.calls} calls for ${found.costUsd} USD (${found.rows} rows, ${found.bodies} with bodies), as of ` +
  `${at}, by Weir ${weir}; ${files} files, ${sizeOf(bytes)}.\n` +
  (config.kafkaBrokers !== null
    ? 'Positions in Kafka are those of now, not of the backup: run `weir journal rewind` before ingest starts (docs/operations.md).\n'
    : '')

export const command: Command = {
  summary: 'make a data folder of a backup',
  words: '<folder>',
  about: `
Makes WEIR_DATA of what \`weir backup\` wrote. WEIR_DATA must be empty or missing: nothing is overwritten. Every file is compared with the
list of the backup, then the engine opens the copy and its sums are compared with those of the moment it was made; only then it is put in
its place. A backup of an older Weir is brought to this version by the next start; one of a newer Weir is refused.

  WEIR_DATA=/var/lib/weir weir restore /mnt/backup/weir-2026-11-26`,
  flags: { json: { type: 'boolean', help: 'what was restored, as one JSON document' } },
  async run(values, words) {
    const [folder, ...more] = words
    if (folder === undefined || more.length > 0)
      throw new UsageError('Name the folder of one backup: weir restore /mnt/backup/weir')
    try {
      const config = loadConfig(process.env, process.cwd())
      if (config.clickhouseUrl !== null)
        throw new Error(
          'CLICKHOUSE_URL names a server, and a backup of this kind holds an embedded store: unset it, or see docs/operations.md.',
        )
      const restored = await restore(resolve(folder), config)
      process.stdout.write(
        values.json === true
          ? `${JSON.stringify({ ...restored.manifest, found: restored.found }, null, 2)}\n`
          : text(restored, config),
      )
      return 0
    } catch (cause) {
      process.stderr.write(`${isExpected(cause) || !(cause instanceof Error) ? sentenceOf(cause) : cause.message}\n`)
      return 1
    }
  },
}
