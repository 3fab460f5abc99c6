import { readdir, statfs } from 'node:fs/promises'
import { sizeOf } from './progress.js'

/** True for a folder that is missing or empty; what a file system puts into its own root does not count. */
export const isEmptyFolder = async (dir: string): Promise<boolean> => {
  try {
    return (await readdir(dir)).every((name) => name === 'lost+found')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw cause
  }
}

/** @throws Error when the disk of a folder has no room for so many bytes. */
export const checkRoom = async (dir: string, bytes: number): Promise<void> => {
  const { bavail, bsize } = await statfs(dir)
  if (bavail * bsize < bytes)
    throw new Error(`${dir} has room for ${sizeOf(bavail * bsize)}, and ${sizeOf(bytes)} are to be written: make room first.`)
}
