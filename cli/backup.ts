import { mkdir, rm, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { openEmbedded } from '../clickhouse/engine/embedded.js'
import { controlStore } from '../control/store.js'
import { loadConfig, type Config } from '../core/config.js'
import { ownerOf } from '../core/folder-lock.js'
import { readerLock } from '../journal/source.js'
import type { BackupJob } from '../web/api/contract.js'
import { copyImage } from './backup/copy-image.js'
import { checkFiles, imageIn, listedFiles, readManifest, writeManifest, type Manifest } from './backup/manifest.js'
import { progressOn, sizeOf } from './backup/progress.js'
import { checkRoom, isEmptyFolder } from './backup/room.js'
import { snapshot, stagingIn } from './backup/snapshot.js'
import { UsageError, type Command } from './command.js'
import { urlOf } from './listen.js'
import { isExpected, sentenceOf } from './start-error.js'
import { version } from './version.js'

/** Makes the copy below `WEIR_DATA/backup`; resolves with its folder. */
type Stage = () => Promise<string>

/** Nothing runs on the store: it is opened here. */
const stageHere =
  (config: Config): Stage =>
  async () => {
    const { dataDir } = config
    const to = join(stagingIn(dataDir), 'stopped')
    await rm(stagingIn(dataDir), { recursive: true, force: true })
    const reader = await readerLock(join(dataDir, 'journal'))
    try {
      // Not by `openDb`: a copy is not brought to another version, it is what one goes back to.
      const db = await openEmbedded(join(dataDir, 'chdb'))
      const control = controlStore(config)
      try {
        await snapshot({ dataDir, to, db, control, whilePaused: (work) => work(), version: version(), now: Date.now })
      } finally {
        await control.close()
        await db.close()
      }
    } finally {
      await reader.release()
    }
    return to
  }

const pollMs = 250

/** The running hub owns the store, and copies it. */
const stageAtHub =
  (config: Config, url: string): Stage =>
  async () => {
    const { adminSecret, dataDir } = config
    const ask = async (path: string, method: 'GET' | 'POST'): Promise<BackupJob> => {
      const answer = await fetch(`${url}/api/backup${path}`, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(adminSecret === null ? {} : { authorization: `Bearer ${adminSecret}` }),
        },
        ...(method === 'GET' ? {} : { body: '{}' }),
      }).catch((cause: unknown) => {
        throw new Error(`The store is open in another process, and no hub answers at ${url}: is WEIR_WEB_PORT the hub's?`, {
          cause,
        })
      })
      const told = (await answer.json()) as BackupJob & { detail?: string; advice?: string }
      if (!answer.ok) throw new Error(`${told.detail ?? `The hub answered ${answer.status}.`} ${told.advice ?? ''}`.trim())
      return told
    }
    let job = await ask('', 'POST')
    while (job.state === 'running') {
      await new Promise((done) => setTimeout(done, pollMs))
      job = await ask(`/${job.id}`, 'GET')
    }
    if (job.state !== 'done') throw new Error(job.error ?? 'The hub could not make the copy.')
    return join(stagingIn(dataDir), job.id)
  }

const stageOf = async (config: Config): Promise<Stage> => {
  if (config.clickhouseUrl !== null)
    throw new Error(
      'The calls lie in the ClickHouse server that CLICKHOUSE_URL names, not in this folder: docs/operations.md tells how it is backed up.',
    )
  if ((await stat(join(config.dataDir, 'chdb')).catch(() => null)) === null)
    throw new Error(`There is nothing to back up: ${config.dataDir} (WEIR_DATA) has no store yet.`)
  const owner = (await ownerOf(join(config.dataDir, 'chdb'))) ?? (await ownerOf(join(config.dataDir, 'journal', 'consumer')))
  if (owner === null) return stageHere(config)
  if (config.webPort === 0)
    throw new Error(
      `The store is open in process ${owner.pid}, whose port is not known: set WEIR_WEB_PORT to the port it answers on.`,
    )
  return stageAtHub(config, urlOf(config.host, config.webPort))
}

const checkTarget = async (target: string, dataDir: string): Promise<void> => {
  const below = relative(dataDir, target)
  if (below === '' || (!below.startsWith(`..${sep}`) && below !== '..'))
    throw new Error(`${target} lies in the data folder itself: a backup belongs elsewhere, best on another disk.`)
  if (!(await isEmptyFolder(target))) throw new Error(`${target} is not empty, and nothing is overwritten: name another folder.`)
}

const isStore = (path: string): boolean => path.startsWith(join('chdb', 'store'))

/** From the staging folder to where it is wanted; the manifest comes last. */
const fetchCopy = async (from: string, to: string): Promise<{ readonly manifest: Manifest; readonly shared: boolean }> => {
  const staged = await readManifest(from)
  const listed = await listedFiles(from)
  await mkdir(to, { recursive: true, mode: 0o700 })
  const shared = (await stat(from)).dev === (await stat(to)).dev
  if (!shared) await checkRoom(to, staged.bytes)
  const sizes = new Map(listed.map(({ path, bytes }) => [path, bytes]))
  const progress = progressOn(process.stderr)
  let [files, bytes] = [0, 0]
  try {
    await copyImage(imageIn(from), imageIn(to), {
      mayLink: isStore,
      onFile(path) {
        files++
        bytes += sizes.get(path) ?? 0
        progress.tell(`Copied: ${files} of ${staged.files} files, ${sizeOf(bytes)} of ${sizeOf(staged.bytes)}`)
      },
    })
    await checkFiles(imageIn(to), listed)
  } finally {
    progress.end()
  }
  const { weir, at, store } = staged
  return { manifest: await writeManifest(to, { weir, at, store }), shared }
}

const text = ({ at, store, files, bytes }: Manifest, target: string, shared: boolean): string =>
  `Backed up to ${target}: ${store.calls} calls for ${store.costUsd} USD (${store.rows} rows, ${store.bodies} with bodies), as of ${at}; ` +
  `${files} files, ${sizeOf(bytes)}.\n` +
  (shared ? 'It lies on the disk of the data folder, and is lost with it: copy it elsewhere.\n' : '')

export const command: Command = {
  summary: 'copy the running or stopped house into a folder',
  words: '<folder>',
  about: `
Copies everything under WEIR_DATA that is worth keeping: calls and sums, what waits in the journal, what the UI saved, levels of limits,
dead letters. Works on the running Weir, which goes on taking calls, or on its stopped folder. What is in it was stored at one moment:
each call once, in rows and sums alike. Calls under way at that moment are not in it. For the embedded store; weir.yaml and the
environment are not part of it.

The folder must be empty or missing. An interrupted backup has no weir-backup.json, and is not restored: delete it and begin again.

  weir backup /mnt/backup/weir-2026-11-26`,
  flags: { json: { type: 'boolean', help: 'what was backed up, as one JSON document' } },
  async run(values, words) {
    const [folder, ...more] = words
    if (folder === undefined || more.length > 0)
      throw new UsageError('Name one folder to back up to: weir backup /mnt/backup/weir')
    const config = loadConfig(process.env, process.cwd())
    const target = resolve(folder)
    let staged: string | null = null
    try {
      const stage = await stageOf(config)
      await checkTarget(target, resolve(config.dataDir))
      staged = await stage()
      const { manifest, shared } = await fetchCopy(staged, target)
      process.stdout.write(values.json === true ? `${JSON.stringify(manifest, null, 2)}\n` : text(manifest, target, shared))
      return 0
    } catch (cause) {
      process.stderr.write(`${isExpected(cause) || !(cause instanceof Error) ? sentenceOf(cause) : cause.message}\n`)
      return 1
    } finally {
      if (staged !== null) await rm(stagingIn(config.dataDir), { recursive: true, force: true })
    }
  },
}
