import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FolderOwner } from '../../core/folder-lock.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** The folder itself, or what it would be made in. */
const nearestExisting = async (path: string): Promise<string> =>
  (await exists(path)) || dirname(path) === path ? path : nearestExisting(dirname(path))

export const checkDataFolder = async (dir: string, owner: FolderOwner | null): Promise<Check> => {
  const { ok, warn, fail } = verdicts('data folder')
  const there = await nearestExisting(dir)
  try {
    await access(there, constants.W_OK | constants.X_OK)
  } catch {
    return fail(`${there} cannot be written by this user`, 'Change its owner, or set WEIR_DATA to another folder.')
  }
  if (there !== dir) return ok(`${dir} is made at the first start`)
  const { mode, uid } = await stat(dir)
  const open = (mode & 0o077) !== 0
  const me = process.getuid?.() ?? uid
  if (open)
    return warn(
      `${dir} can be read by other users (mode ${(mode & 0o777).toString(8)}); it holds prompts and answers`,
      `chmod 700 ${dir}`,
    )
  if (uid !== me) return warn(`${dir} belongs to user ${uid}, not to ${me}`, `chown -R ${me} ${dir}`)
  return ok(owner === null ? dir : `${dir}, in use by process ${owner.pid} since ${owner.since}`)
}

const GiB = 1024 ** 3

export const checkDisk = async (dir: string): Promise<Check> => {
  const { ok, warn, fail } = verdicts('disk')
  const { bavail, bsize, blocks } = await statfs(await nearestExisting(dir))
  const free = bavail * bsize
  const share = Math.round((100 * bavail) / blocks)
  const said = `${(free / GiB).toFixed(1)} GiB free (${share} %)`
  if (free < GiB / 4) return fail(said, 'Make room: a full journal leaves calls without a row.')
  return free < 2 * GiB || share < 5 ? warn(said, 'Make room soon, or lower retention in weir.yaml.') : ok(said)
}
