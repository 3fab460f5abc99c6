import { readdir } from 'node:fs/promises'
import { isWriterName, segmentNumber } from './segment-format.js'

const namesIn = async (dir: string): Promise<string[]> => {
  try {
    return await readdir(dir)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw cause
  }
}

/** Names of the writers with a folder in the journal, oldest first: UUIDv7 sort by time. */
export const writersIn = async (journal: string): Promise<string[]> => (await namesIn(journal)).filter(isWriterName).sort()

/** Numbers of the segments in a writer's folder, ascending; empty when the folder is gone. */
export const segmentsIn = async (dir: string): Promise<number[]> =>
  (await namesIn(dir)).flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b)
