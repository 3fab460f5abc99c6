import { lstat, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { StoreSums } from '../../clickhouse/backup.js'
import { syncFolder } from '../../journal/sync-folder.js'

/** What a backup says of itself; written last, so that a folder without it is none. */
export interface Manifest {
  readonly v: 1
  /** Of the Weir that made it. */
  readonly weir: string
  /** ISO 8601: what was stored then is in it. */
  readonly at: string
  readonly store: StoreSums
  readonly files: number
  readonly bytes: number
}

const manifestFile = 'weir-backup.json'
const listFile = 'files.txt'
/** The image of a data folder, in a backup. */
export const imageIn = (backup: string): string => join(backup, 'data')

export interface FileEntry {
  /** Below the image. */
  readonly path: string
  readonly bytes: number
}

/** All files below a folder, links between them passed over. */
export const filesBelow = async (dir: string): Promise<readonly FileEntry[]> => {
  const found: FileEntry[] = []
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await walk(path)
      else if (entry.isFile()) found.push({ path: relative(dir, path), bytes: (await lstat(path)).size })
    }
  }
  await walk(dir)
  return found
}

export const writeManifest = async (backup: string, facts: Omit<Manifest, 'v' | 'files' | 'bytes'>): Promise<Manifest> => {
  const files = await filesBelow(imageIn(backup))
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const manifest: Manifest = { v: 1, ...facts, files: files.length, bytes }
  await writeFile(join(backup, listFile), files.map((file) => `${file.bytes}\t${file.path}\n`).join(''), { mode: 0o600 })
  const draft = join(backup, `${manifestFile}.draft`)
  await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true })
  await rename(draft, join(backup, manifestFile))
  await syncFolder(backup)
  return manifest
}

/** @throws Error in a sentence when the folder is no whole backup, or of a newer Weir. */
export const readManifest = async (backup: string): Promise<Manifest> => {
  const text = await readFile(join(backup, manifestFile), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw cause
    throw new Error(`${backup} is no whole backup: it has no ${manifestFile}, which is written last.`)
  })
  const manifest = JSON.parse(text) as Manifest
  if (manifest.v !== 1) throw new Error(`${backup} was made by a newer Weir (${manifest.weir}): restore it with that one.`)
  return manifest
}

/** The files a backup was made of. */
export const listedFiles = async (backup: string): Promise<readonly FileEntry[]> =>
  (await readFile(join(backup, listFile), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const tab = line.indexOf('\t')
      return { bytes: Number(line.slice(0, tab)), path: line.slice(tab + 1) }
    })

/** @throws Error naming the first file below `image` that is missing or of another length than when the backup was made. */
export const checkFiles = async (image: string, listed: readonly FileEntry[]): Promise<void> => {
  const found = new Map((await filesBelow(image)).map(({ path, bytes }) => [path, bytes]))
  for (const { path, bytes } of listed) {
    const now = found.get(path)
    if (now === undefined) throw new Error(`${join(image, path)} is missing: this backup is damaged.`)
    if (now !== bytes) throw new Error(`${join(image, path)} has ${now} bytes instead of ${bytes}: this backup is damaged.`)
  }
}
