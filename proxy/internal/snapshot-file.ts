import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { mkdir, open, rename, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { controlSnapshotSchema, type ControlSnapshot, type ToldSnapshot } from '../../core/internal/control-snapshot.js'

const kept = z.object({ sha256: z.string(), snapshot: z.unknown() })

/** What was found: the last whole one, when the control plane was heard last, and what was wrong with those that are not whole. */
export interface KeptSnapshot {
  readonly snapshot: ControlSnapshot
  /** Milliseconds since the epoch. */
  readonly heardAt: number
}

/** The last snapshot on disk, and the one before it. */
export interface SnapshotFile {
  read(): { readonly found: KeptSnapshot | null; readonly damaged: string | null }
  /** In the place of the last one, whole or not at all. @throws what the disk says. */
  write(snapshot: ToldSnapshot): Promise<void>
  /** The control plane was heard: that outlives a restart, too. */
  heard(at: number): Promise<void>
}

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')

/** @param path For its owner alone; `<path>.before` holds the one before. */
export const snapshotFile = (path: string): SnapshotFile => {
  const before = `${path}.before`
  const readOne = (from: string): KeptSnapshot | 'none' | 'damaged' => {
    let text: string
    try {
      text = readFileSync(from, 'utf8')
    } catch (cause) {
      return (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : 'damaged'
    }
    try {
      const { sha256, snapshot } = kept.parse(JSON.parse(text))
      if (sha256Of(JSON.stringify(snapshot)) !== sha256) return 'damaged'
      return { snapshot: controlSnapshotSchema.parse(snapshot), heardAt: statSync(from).mtimeMs }
    } catch {
      return 'damaged'
    }
  }
  return {
    read() {
      const [last, older] = [readOne(path), readOne(before)]
      if (typeof last !== 'string') return { found: last, damaged: null }
      const damaged = last === 'damaged' ? path : null
      if (typeof older !== 'string') return { found: older, damaged }
      return { found: null, damaged: damaged ?? (older === 'damaged' ? before : null) }
    },
    async write(snapshot) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const made = `${path}.${process.pid}.new`
      const handle = await open(made, 'w', 0o600)
      try {
        await handle.writeFile(JSON.stringify({ sha256: sha256Of(JSON.stringify(snapshot)), snapshot }))
        await handle.datasync()
      } finally {
        await handle.close()
      }
      // A damaged one is not worth keeping as the one before.
      if (typeof readOne(path) !== 'string') await rename(path, before)
      await rename(made, path)
    },
    heard: (at) => utimes(path, at / 1000, at / 1000).catch(() => undefined),
  }
}
