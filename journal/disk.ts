import * as fs from 'node:fs'
import { dirname } from 'node:path'

/** What the journal asks of the file system: a port, so that tests can fill the disk and break it. */
export interface Disk {
  /** Creates the file for reading and writing; fails when it exists. */
  create(path: string): number
  /** May write less than it was given. @returns Bytes written. */
  writev(fd: number, pieces: readonly Uint8Array[], position: number): number
  truncate(fd: number, length: number): void
  /** @returns Bytes read, 0 behind the end. */
  read(fd: number, target: Uint8Array, position: number): number
  fdatasync(fd: number, done: (cause: Error | null) => void): void
  /** Makes the names in the folder of `path` durable. */
  syncFolderOf(path: string, done: (cause: Error | null) => void): void
  remove(path: string): void
  close(fd: number): void
}

/**
 * Writes are synchronous: they go to the page cache in a few microseconds, where the way through the thread pool costs several
 * times that and can stand behind a slow sync. What waits for the medium is asynchronous.
 */
export const nodeDisk: Disk = {
  create: (path) => fs.openSync(path, 'wx+', 0o600),
  writev: (fd, pieces, position) => fs.writevSync(fd, pieces, position),
  truncate: (fd, length) => fs.ftruncateSync(fd, length),
  read: (fd, target, position) => fs.readSync(fd, target, 0, target.length, position),
  fdatasync: (fd, done) => fs.fdatasync(fd, done),
  syncFolderOf(path, done) {
    fs.open(dirname(path), 'r', (cause, fd) => {
      if (cause !== null) return done(cause)
      fs.fsync(fd, (syncFailed) => fs.close(fd, () => done(tolerated(syncFailed))))
    })
  },
  remove: (path) => fs.unlinkSync(path),
  close: (fd) => fs.closeSync(fd),
}

/** Some systems cannot sync a folder and say so; there is nothing to wait for then. */
const tolerated = (cause: NodeJS.ErrnoException | null): Error | null =>
  cause?.code === 'EINVAL' || cause?.code === 'EPERM' || cause?.code === 'EISDIR' ? null : cause
