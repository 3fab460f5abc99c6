import { readFileSync, statSync } from 'node:fs'
import { mkdir, opendir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeEntry, encodeEntry } from './cache-file.js'
import { entryBytes, type CacheEntry } from './cache-store.js'

/** An entry on disk that has not been read. */
export interface Listed {
  readonly name: string
  readonly bytes: number
  readonly writtenAt: number
}

/** Entries of so many bytes may wait to be written. What comes on top of it is lost with the process. */
const mostWaitingBytes = 64 * 1024 * 1024

/** A file up to here is read in less time than it takes to come back to a promise; each is read once in the life of a process. */
const mostAtOnceBytes = 256 * 1024

/** Files that are worked on at once: each takes several turns of the event loop, which may be busy. */
const mostAtOnce = 8

const nameForm = /^[a-z0-9][a-z0-9_-]{0,63}$/
const fileForm = /^[0-9a-f]{64}\.\d{1,2}$/

/**
 * Cache entries as files, `<tenant>/<key>.<slot>`, written behind the calls, the oldest wish first, and for each name the newest alone.
 * A file that is torn, or cannot be written, is an entry that is not there: nothing here ever rejects.
 */
export class CacheFolder {
  readonly #dir: string
  /** By name; `null` = is to be removed. */
  readonly #waiting = new Map<string, CacheEntry | null>()
  readonly #made = new Set<string>()
  /** Names of files, once they are listed: what was never written need not be removed, however many come and go. */
  readonly #onDisk = new Set<string>()
  #isListed = false
  #waitingBytes = 0
  /** Names that are worked on. */
  readonly #busy = new Set<string>()
  readonly #running = new Set<Promise<void>>()

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Files to be written or removed. */
  get waiting(): number {
    return this.#waiting.size
  }

  write(name: string, entry: CacheEntry): void {
    this.#forget(name)
    const bytes = entryBytes(entry)
    if (this.#waitingBytes + bytes > mostWaitingBytes) return this.remove(name)
    this.#waitingBytes += bytes
    this.#waiting.set(name, entry)
    this.#work()
  }

  remove(name: string): void {
    this.#forget(name)
    if (this.#isListed && !this.#onDisk.has(name)) return
    this.#waiting.set(name, null)
    this.#work()
  }

  /** At once, unless it is long. */
  read(name: string): CacheEntry | null | Promise<CacheEntry | null> {
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) return waiting
    const path = join(this.#dir, name)
    try {
      const facts = statSync(path, { throwIfNoEntry: false })
      if (facts === undefined) return null
      if (facts.size <= mostAtOnceBytes) return decodeEntry(name, readFileSync(path))
    } catch {
      return null
    }
    return readFile(path).then(
      (bytes) => decodeEntry(name, bytes),
      () => null,
    )
  }

  /** Everything that was there before, oldest first. */
  async list(): Promise<readonly Listed[]> {
    const found: Listed[] = []
    for await (const tenant of this.#namesIn('.', nameForm))
      for await (const file of this.#namesIn(tenant, fileForm)) {
        const name = `${tenant}/${file}`
        const facts = await stat(join(this.#dir, name)).catch(() => null)
        // What has been written or removed meanwhile is known to whoever asked for that.
        if (facts === null || this.#waiting.has(name) || this.#onDisk.has(name)) continue
        found.push({ name, bytes: facts.size, writtenAt: facts.mtimeMs })
        this.#onDisk.add(name)
      }
    this.#isListed = true
    return found.sort((a, b) => a.writtenAt - b.writtenAt)
  }

  /** Resolves once nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Resolves once nothing whose name begins so waits to be removed. */
  async removed(prefix: string): Promise<void> {
    const waits = ([name, entry]: readonly [string, CacheEntry | null]): boolean => entry === null && name.startsWith(prefix)
    while ([...this.#waiting].some(waits)) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  async *#namesIn(folder: string, form: RegExp): AsyncGenerator<string> {
    try {
      for await (const { name } of await opendir(join(this.#dir, folder))) if (form.test(name)) yield name
    } catch {
      // There is nothing yet.
    }
  }

  #forget(name: string): void {
    const entry = this.#waiting.get(name)
    if (entry) this.#waitingBytes -= entryBytes(entry)
    this.#waiting.delete(name)
  }

  #work(): void {
    if (this.#running.size === mostAtOnce) return
    const run = this.#workOff().finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  #next(): readonly [string, CacheEntry | null] | null {
    for (const wish of this.#waiting) if (!this.#busy.has(wish[0])) return wish
    return null
  }

  async #workOff(): Promise<void> {
    for (let wish = this.#next(); wish !== null; wish = this.#next()) {
      const [name, entry] = wish
      this.#busy.add(name)
      if (entry === null) await this.#unlink(name)
      else await this.#put(name, entry).catch(() => undefined)
      this.#busy.delete(name)
      // Another wish may have come meanwhile.
      if (this.#waiting.get(name) === entry) this.#forget(name)
    }
  }

  async #unlink(name: string): Promise<void> {
    try {
      await unlink(join(this.#dir, name))
    } catch {
      // It is not there, or stays.
    }
    this.#onDisk.delete(name)
  }

  async #put(name: string, entry: CacheEntry): Promise<void> {
    // From here on it may be there, whole or torn.
    this.#onDisk.add(name)
    const folder = join(this.#dir, name.slice(0, name.indexOf('/')))
    if (!this.#made.has(folder)) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      this.#made.add(folder)
    }
    await writeFile(join(this.#dir, name), encodeEntry(name, entry), { mode: 0o600 })
  }
}
