import { copyFile, link, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { Db } from './db.js'

/** Sums of a store that merges do not change: what a copy is compared by. Amounts are exact decimal USD. */
export interface StoreSums {
  /** As the roll-ups by model, and by user, have them. */
  readonly calls: number
  readonly callsByUser: number
  readonly costUsd: string
  /** Rows of single calls and of their bodies: retention takes them before the sums. */
  readonly rows: number
  readonly bodies: number
  /** Number of the last migration. */
  readonly migration: number
}

/** What the store holds, in sums. */
export const storeSums = async (db: Pick<Db, 'rows'>): Promise<StoreSums> => {
  const [found] = await db.rows<{ calls: string; byUser: string; costUsd: string; rows: string; bodies: string; last: string }>(
    'store-sums',
    `SELECT (SELECT toString(sum(n)) FROM r_model_1h) AS calls, (SELECT toString(sum(n)) FROM r_user_1d) AS byUser,
      (SELECT toString(sum(cost)) FROM r_model_1h) AS costUsd, (SELECT toString(count()) FROM requests) AS rows,
      (SELECT toString(count()) FROM request_bodies) AS bodies, (SELECT toString(max(id)) FROM schema_migrations) AS last`,
  )
  if (found === undefined) throw new Error('The store gave no sums.')
  const { calls, byUser, costUsd, rows, bodies, last } = found
  return {
    calls: Number(calls),
    callsByUser: Number(byUser),
    costUsd,
    rows: Number(rows),
    bodies: Number(bodies),
    migration: Number(last),
  }
}

const most = { rounds: 50 }
const noLinks = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** A second name for a file that is never written to again; a copy where the file system has no second names. */
export const linkOrCopy = async (from: string, to: string): Promise<void> => {
  try {
    await link(from, to)
  } catch (cause) {
    if (!noLinks.has((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    await copyFile(from, to)
  }
}

const isGone = (cause: unknown): boolean => (cause as NodeJS.ErrnoException).code === 'ENOENT'

const linkFolder = async (from: string, to: string): Promise<void> => {
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await linkFolder(source, target)
    else await linkOrCopy(source, target)
  }
}

/** Folders of the active parts, below the engine's folder, with no separator at the end. */
const activeParts = async (db: Pick<Db, 'rows'>): Promise<ReadonlySet<string>> => {
  const rows = await db.rows<{ path: string }>(
    'active-parts',
    `SELECT path FROM system.parts WHERE active AND database = currentDatabase()`,
  )
  return new Set(rows.map(({ path }) => path.slice(path.lastIndexOf(`${sep}store${sep}`) + 1).replace(/\/+$/, '')))
}

/**
 * Gives the parts that hold the rows a second name below `to`. Parts are written once; merges put others in their place, so that the
 * list is compared with itself until it has not changed while the files were linked.
 *
 * @throws Error when merges leave no quiet moment.
 */
const linkParts = async (db: Pick<Db, 'rows'>, dir: string, to: string): Promise<void> => {
  const linked = new Set<string>()
  for (let round = 0; round < most.rounds; round++) {
    const wanted = await activeParts(db)
    for (const part of linked)
      if (!wanted.has(part)) {
        await rm(join(to, part), { recursive: true, force: true })
        linked.delete(part)
      }
    let whole = true
    for (const part of wanted) {
      if (linked.has(part)) continue
      try {
        await linkFolder(join(dir, part), join(to, part))
        linked.add(part)
      } catch (cause) {
        if (!isGone(cause)) throw cause
        whole = false
        await rm(join(to, part), { recursive: true, force: true })
      }
    }
    const now = await activeParts(db)
    if (whole && now.size === wanted.size && [...now].every((part) => wanted.has(part))) return
  }
  throw new Error(`The store merged its parts ${most.rounds} times while they were listed: try again when less is written.`)
}

/** Files of the engine's own, to be left out: what it makes anew, locks, and what a process was just writing. */
const leftOut = (name: string): boolean => /^(lock\.\d+|draft\..*|tmp|tmp_.*|delete_tmp_.*|shadow|status|uuid\.lock)$/.test(name)
/** Name of a part's folder: `20261126_1_6_2`, `all_1_1_0_7`. */
const isPart = (name: string): boolean => /^.+_\d+_\d+_\d+(_\d+)?$/.test(name)

/** Everything beside parts: tables, links between them, the windows of tokens. Small, and written in place, so it is copied. */
const copyRest = async (from: string, to: string): Promise<void> => {
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (leftOut(entry.name)) continue
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    try {
      if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
      else if (!entry.isDirectory()) await copyFile(source, target)
      else if (!isPart(entry.name)) await copyRest(source, target)
    } catch (cause) {
      // What the engine clears away at this moment (a dropped table, a finished mutation) is wanted by nobody.
      if (!isGone(cause)) throw cause
    }
  }
}

/**
 * A copy of the embedded engine's folder while the engine has it open, by second names of its files: it takes moments and, at first, no
 * room. Nothing may be inserted meanwhile; questions and merges go on.
 *
 * @param dir The engine's folder. @param to A folder that does not exist.
 */
export const linkStore = async (db: Pick<Db, 'rows'>, dir: string, to: string): Promise<void> => {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  await copyRest(dir, to)
  await linkParts(db, dir, to)
}
