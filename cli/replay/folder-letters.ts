import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from '../../journal/sync-folder.js'
import type { Letter, Letters } from './letter.js'

interface Head {
  readonly reason: string
  readonly error: string
  readonly at: string
  readonly source: { readonly first: number }
}

const missing = (cause: unknown): boolean => (cause as NodeJS.ErrnoException).code === 'ENOENT'

/** @returns `null` when the file is not one of ours, or was taken out a moment ago. */
const read = async (dir: string, name: string): Promise<Letter | null> => {
  let bytes: Buffer
  try {
    bytes = await readFile(join(dir, name))
  } catch (cause) {
    if (missing(cause)) return null
    throw cause
  }
  const end = bytes.indexOf(0x0a)
  try {
    const { reason, error, at, source } = JSON.parse(bytes.toString('utf8', 0, Math.max(0, end))) as Head
    return {
      reason,
      error,
      at,
      first: source.first,
      payload: bytes.subarray(end + 1),
      // The file is the memory: what is set aside again makes a new one.
      async done() {
        await rm(join(dir, name), { force: true })
        await syncFolder(dir)
      },
    }
  } catch {
    return null
  }
}

const namesIn = async (dir: string): Promise<string[]> => {
  try {
    return (await readdir(dir)).filter((name) => name.endsWith('.dead')).sort()
  } catch (cause) {
    if (missing(cause)) return []
    throw cause
  }
}

/** Events in the folder `dlq` of a data folder. */
export async function* folderLetters(dir: string): Letters {
  for (const name of await namesIn(dir)) {
    const letter = await read(dir, name)
    if (letter !== null) yield letter
  }
}

/** Spans that trace destinations refused lie in folders of their own, as requests of theirs: how many, by folder. */
export const refusedSpans = async (dir: string): Promise<readonly { readonly folder: string; readonly letters: number }[]> => {
  const folders = await readdir(dir, { withFileTypes: true }).catch((cause: unknown) => {
    if (missing(cause)) return []
    throw cause
  })
  const found = await Promise.all(
    folders
      .filter((entry) => entry.isDirectory())
      .map(async ({ name }) => ({ folder: name, letters: (await namesIn(join(dir, name))).length })),
  )
  return found.filter(({ letters }) => letters > 0)
}
