import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Lines that are on their way into the store, and the token they go under. */
export interface PlannedChunk {
  readonly token: string
  /** JSONEachRow for `repriced`. */
  readonly lines: string
}

const fileName = 'planned-chunk.json'

/**
 * Keeps one chunk on disk while it is inserted: whoever dies in between finds it at the next start and inserts it again, under the
 * same token, so that tables that had it take it no second time, and those that had not, get it.
 *
 * @param dir Made when it is missing.
 */
export const plannedChunk = (dir: string) => {
  const path = join(dir, fileName)
  return {
    async write(chunk: PlannedChunk): Promise<void> {
      await mkdir(dir, { recursive: true, mode: 0o700 })
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(JSON.stringify(chunk))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
    },
    /** `null` = nothing was left behind. */
    async read(): Promise<PlannedChunk | null> {
      try {
        return JSON.parse(await readFile(path, 'utf8')) as PlannedChunk
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw cause
      }
    },
    async remove(): Promise<void> {
      await unlink(path).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause
      })
    },
  }
}
