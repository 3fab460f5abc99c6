import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs'
import { DataFolderError } from './start-error.js'

/** Makes the folder for this user alone, if it is missing, and makes sure that it can be written. An existing one keeps its mode. */
export const prepareDataFolder = (dir: string): void => {
  try {
    const made = mkdirSync(dir, { recursive: true, mode: 0o700 })
    if (made !== undefined) chmodSync(dir, 0o700)
    if (!statSync(dir).isDirectory()) throw new DataFolderError(dir, 'ENOTDIR')
    accessSync(dir, constants.W_OK | constants.X_OK)
  } catch (cause) {
    if (cause instanceof DataFolderError) throw cause
    throw new DataFolderError(dir, (cause as NodeJS.ErrnoException).code ?? 'unknown')
  }
}
