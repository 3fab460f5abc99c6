import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const fileIn = (dataDir: string): string => join(dataDir, 'state', 'fingerprint.key')

/** This installation's secret under `state/`, 32 bytes, made on first use: keys are fingerprinted under it, so that no fingerprint means anything elsewhere. */
export const serverSecret = (dataDir: string): Buffer => {
  const path = fileIn(dataDir)
  try {
    const found = readFileSync(path)
    if (found.length === 32) return found
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
  mkdirSync(join(dataDir, 'state'), { recursive: true, mode: 0o700 })
  const secret = randomBytes(32)
  try {
    writeFileSync(path, secret, { mode: 0o600, flag: 'wx' })
    return secret
  } catch (cause) {
    // Another proxy of this folder was first.
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return readFileSync(path)
    throw cause
  }
}

/** Puts another secret in place of the one that is there. */
export const replaceServerSecret = (dataDir: string, secret: Buffer): void => {
  const path = fileIn(dataDir)
  writeFileSync(`${path}.new`, secret, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
