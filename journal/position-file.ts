import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from './port.js'
import { syncFolder } from './sync-folder.js'

const pathOf = (dir: string, consumer: string): string => join(dir, `${consumer}.pos`)

/**
 * Where a consumer stands in one writer's folder; the beginning when it never was there.
 *
 * @throws Error when the file is not one of ours: going back to the beginning by itself could store events twice.
 */
export const readPosition = async (dir: string, consumer: string): Promise<Progress> => {
  const path = pathOf(dir, consumer)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { committed: 0, planned: null }
    throw cause
  }
  try {
    const { committed, planned } = JSON.parse(text) as Partial<Progress>
    if (Number.isSafeInteger(committed) && (planned === null || isPlan(planned)))
      return { committed: committed as number, planned: planned as Progress['planned'] }
  } catch {
    // Said below.
  }
  throw new Error(
    `${path} is damaged. Delete it to read this folder of the journal from its beginning: events may then be stored twice.`,
  )
}

const isPlan = (value: unknown): boolean => {
  const plan = value as { first?: unknown; last?: unknown } | undefined
  return Number.isSafeInteger(plan?.first) && Number.isSafeInteger(plan?.last)
}

/** Durable when it resolves; a crash on the way leaves the old one. */
export const writePosition = async (dir: string, consumer: string, progress: Progress): Promise<void> => {
  const path = pathOf(dir, consumer)
  const draft = `${path}.draft`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(progress))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await syncFolder(dir)
}
