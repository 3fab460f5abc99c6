import type { Disk } from './disk.js'

/** Told of each write and each sync of the journal, in seconds. */
export interface DiskTimes {
  wrote(seconds: number): void
  synced(seconds: number): void
}

/** A disk that tells how long it takes. */
export const timedDisk = (disk: Disk, times: DiskTimes): Disk => ({
  ...disk,
  writev(fd, pieces, position) {
    const startedAt = performance.now()
    const written = disk.writev(fd, pieces, position)
    times.wrote((performance.now() - startedAt) / 1000)
    return written
  },
  fdatasync(fd, done) {
    const startedAt = performance.now()
    disk.fdatasync(fd, (cause) => {
      times.synced((performance.now() - startedAt) / 1000)
      done(cause)
    })
  },
})
