import { constants } from 'node:fs'
import { copyFile, mkdir, open, readdir, readlink, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { linkOrCopy } from '../../clickhouse/backup.js'

const synced = async (path: string): Promise<void> => {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

interface Options {
  /** Gives files a second name where they are never written to again, instead of copying them. */
  readonly mayLink: (path: string) => boolean
  /** After each file, with its path below the image. */
  readonly onFile: (path: string) => void
}

/** Copies a folder, links between its files as they are; on disk when it resolves. */
export const copyImage = async (from: string, to: string, { mayLink, onFile }: Options): Promise<void> => {
  const walk = async (below: string): Promise<void> => {
    await mkdir(join(to, below), { recursive: true, mode: 0o700 })
    for (const entry of await readdir(join(from, below), { withFileTypes: true })) {
      const path = join(below, entry.name)
      const [source, target] = [join(from, path), join(to, path)]
      if (entry.isDirectory()) await walk(path)
      else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
      else {
        if (mayLink(path)) await linkOrCopy(source, target)
        else await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
        await synced(target)
        onFile(path)
      }
    }
    await synced(join(to, below))
  }
  await walk('')
}
