import { spawnSync } from 'node:child_process'
import { closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of a few MiB. */
export interface SmallDisk {
  /** Takes all the room there is. */
  fill(): void
  /** Gives it back. */
  clear(): void
  /** The folder is an ordinary one again. */
  unmount(): void
  /** As `unmount`, but what was on it stays. */
  leave(): void
}

const tryOne = (): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-mount-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0
  if (mounted) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true })
  return mounted
}

/** Whether one can be made here: only root may mount, and in a container not even root, mostly. */
export const canMount = process.getuid?.() === 0 && tryOne()

/** Mounts a file system of its own on a folder. */
export const mountSmallDisk = (folder: string, mebi: number): SmallDisk => {
  mkdirSync(folder, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebi}m`, 'tmpfs', folder])
  if (mounted.status !== 0) throw new Error(`${folder} cannot be mounted: ${mounted.stderr.toString()}`)
  const ballast = join(folder, '.ballast')
  const unmount = (): void => {
    if (existsSync(folder)) spawnSync('umount', ['-l', folder])
  }
  return {
    fill() {
      const fd = openSync(ballast, 'a')
      try {
        for (let block = 64 * 1024; block >= 512; block /= 2)
          try {
            for (;;) if (writeSync(fd, Buffer.alloc(block)) < block) break
          } catch (cause) {
            if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause
          }
      } finally {
        closeSync(fd)
      }
    },
    clear: () => rmSync(ballast, { force: true }),
    unmount,
    leave() {
      const beside = `${folder}.left`
      cpSync(folder, beside, { recursive: true })
      unmount()
      cpSync(beside, folder, { recursive: true })
      rmSync(beside, { recursive: true })
    },
  }
}
