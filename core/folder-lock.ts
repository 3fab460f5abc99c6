import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** Who owns, or owned, a folder: the content of a `lock.<n>` file. */
export interface FolderOwner {
  readonly host: string
  /** Changes with each boot of the machine; empty where the system does not tell. */
  readonly bootId: string
  readonly pid: number
  /** Start of the process in clock ticks since boot; empty where the system does not tell. */
  readonly start: string
  /** ISO 8601: when the folder was taken. */
  readonly since: string
  readonly released: boolean
}

export interface FolderLock {
  readonly dir: string
  /** Gives the folder back; the lock file stays, marked. Later calls do nothing. */
  release(): Promise<void>
}

/** Another living process owns the folder, or one on another host that never gave it back. */
export class FolderOwnedError extends Error {
  readonly dir: string
  readonly owner: FolderOwner | null
  constructor(dir: string, file: string, owner: FolderOwner | null) {
    super(
      owner === null
        ? `${dir} is locked, but its lock file cannot be read. If no process uses the folder, delete ${file} and start again.`
        : `${dir} is in use by process ${owner.pid} on host ${owner.host} since ${owner.since}. Stop that process first; ` +
            `if it is certain that it is gone, delete ${file} and start again.`,
    )
    this.name = 'FolderOwnedError'
    this.dir = dir
    this.owner = owner
  }
}

const readLine = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Field 22 of /proc/<pid>/stat; `null` when there is no such process, or only its zombie. Field 2 may hold spaces and brackets. */
const linuxStart = (pid: number): string | null => {
  const stat = readLine(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0] ?? ''
  return stat === '' || state === 'Z' || state === 'X' ? null : (fields[19] ?? null)
}

const myself = (): Omit<FolderOwner, 'since' | 'released'> => ({
  host: hostname(),
  bootId: readLine('/proc/sys/kernel/random/boot_id'),
  pid: process.pid,
  start: linuxStart(process.pid) ?? '',
})

const answersSignal0 = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A frozen process lives. A process of another host cannot be looked at, so it lives until it released. */
const lives = (owner: FolderOwner): boolean => {
  if (owner.released) return false
  const me = myself()
  if (owner.host !== me.host) return true
  if (owner.bootId !== me.bootId) return false
  return owner.start === '' ? answersSignal0(owner.pid) : linuxStart(owner.pid) === owner.start
}

const locksIn = async (dir: string): Promise<number[]> => {
  const names = await readdir(dir)
  return names.flatMap((name) => (/^lock\.\d{1,15}$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => a - b)
}

interface Held {
  readonly file: string
  /** `null`: the file cannot be read as a lock. */
  readonly owner: FolderOwner | null
}

const highest = async (dir: string): Promise<{ n: number; held: Held | null }> => {
  for (;;) {
    const n = (await locksIn(dir)).at(-1)
    if (n === undefined) return { n: 0, held: null }
    const file = join(dir, `lock.${n}`)
    try {
      return { n, held: { file, owner: parse(await readFile(file, 'utf8')) } }
    } catch (cause) {
      // An heir removed it after taking n + 1: look again.
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    }
  }
}

const parse = (text: string): FolderOwner | null => {
  try {
    const { host, bootId, pid, start, since, released } = JSON.parse(text) as Partial<FolderOwner>
    if (typeof host !== 'string' || typeof pid !== 'number') return null
    return { host, bootId: bootId ?? '', pid, start: start ?? '', since: since ?? '', released: released === true }
  } catch {
    return null
  }
}

const writeSynced = async (path: string, owner: FolderOwner): Promise<void> => {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(JSON.stringify(owner))
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Creates `lock.<n>` with its content in one step, and fails when it exists. A link does both; where a file system has no
 * links, O_EXCL is exclusive too, but a reader may meet the file before its content and then takes it for owned.
 */
const createExclusive = async (dir: string, n: number, owner: FolderOwner): Promise<boolean> => {
  const file = join(dir, `lock.${n}`)
  const draft = join(dir, `draft.${randomUUID()}`)
  await writeSynced(draft, owner)
  try {
    await link(draft, file)
    return true
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw cause
  } finally {
    await unlink(draft)
  }
  try {
    await writeSynced(file, owner)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  }
}

/**
 * Takes a folder for this process (storage.md §1): the highest `lock.<n>` owns; the heir of a dead or released owner creates
 * n + 1, which only one can. The highest file is never removed, so numbers never start anew under a slow heir's feet.
 *
 * @param dir Created, with its parents, when it is missing.
 * @throws FolderOwnedError when a living process, this one included, owns it.
 */
export const acquireFolderLock = async (dir: string): Promise<FolderLock> => {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  for (;;) {
    const { n, held } = await highest(dir)
    if (held !== null && (held.owner === null || lives(held.owner))) throw new FolderOwnedError(dir, held.file, held.owner)
    const mine = n + 1
    const owner: FolderOwner = { ...myself(), since: new Date().toISOString(), released: false }
    if (!(await createExclusive(dir, mine, owner))) continue
    const all = await locksIn(dir)
    if ((all.at(-1) ?? mine) > mine) {
      // We were so slow that our number was used and cleared away in the meantime: someone else owns.
      await unlink(join(dir, `lock.${mine}`))
      continue
    }
    for (const old of all) if (old < mine) await unlink(join(dir, `lock.${old}`)).catch(() => undefined)
    return grasp(dir, mine, owner)
  }
}

const grasp = (dir: string, n: number, owner: FolderOwner): FolderLock => {
  let released: Promise<void> | null = null
  const release = async (): Promise<void> => {
    const draft = join(dir, `draft.${randomUUID()}`)
    await writeSynced(draft, { ...owner, released: true })
    await rename(draft, join(dir, `lock.${n}`))
  }
  return { dir, release: () => (released ??= release()) }
}

/** The living owner of a folder; `null` when nobody owns it, or the folder is missing. An unreadable lock throws FolderOwnedError. */
export const ownerOf = async (dir: string): Promise<FolderOwner | null> => {
  try {
    const { held } = await highest(dir)
    if (held === null) return null
    if (held.owner === null) throw new FolderOwnedError(dir, held.file, null)
    return lives(held.owner) ? held.owner : null
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw cause
  }
}
