import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentNumber } from './segment-format.js'

/**
 * Measures the bytes of all files under a journal's folder, all writers together. Segments that are not a writer's newest
 * never change, so they are looked at once.
 *
 * @returns Bytes; files that vanish meanwhile count nothing.
 */
export const folderSize = (dir: string): (() => Promise<number>) => {
  let settled = new Map<string, number>()

  const sizeOf = async (path: string): Promise<number> => {
    try {
      return (await stat(path)).size
    } catch {
      return 0
    }
  }

  const ofFolder = async (folder: string, seen: Map<string, number>): Promise<number> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
    const newest = entries.reduce((most, { name }) => Math.max(most, segmentNumber(name) ?? -1), -1)
    let bytes = 0
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        bytes += await ofFolder(path, seen)
        continue
      }
      const number = segmentNumber(entry.name)
      const size = settled.get(path) ?? (await sizeOf(path))
      if (number !== null && number < newest) seen.set(path, size)
      bytes += size
    }
    return bytes
  }

  return async () => {
    const seen = new Map<string, number>()
    const bytes = await ofFolder(dir, seen)
    settled = seen
    return bytes
  }
}
