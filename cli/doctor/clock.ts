import { randomUUID } from 'node:crypto'
import { access, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** This version was made after this day: a clock before it is wrong. */
const builtOn = Date.parse('2026-11-01T00:00:00Z')

/** Rows are dated, priced and kept by this clock. The disk's clock is the second opinion a machine without network has. */
export const checkClock = async (dataDir: string, now: number): Promise<Check> => {
  const { ok, warn, fail } = verdicts('clock')
  const said = new Date(now).toISOString()
  if (now < builtOn)
    return fail(
      `${said} is before this version was made`,
      'Set the clock (timedatectl set-ntp true): prices and retention go by it.',
    )
  const folder = await access(dataDir).then(
    () => dataDir,
    () => tmpdir(),
  )
  const probe = join(folder, `.clock-${randomUUID()}`)
  try {
    const before = Date.now()
    await writeFile(probe, '', { mode: 0o600 })
    const { mtimeMs } = await stat(probe)
    const offMs = mtimeMs < before - 2000 ? before - mtimeMs : Math.max(0, mtimeMs - Date.now())
    return offMs > 2000
      ? warn(`${said}, but the file system of ${folder} is ${Math.round(offMs / 1000)} s off`, 'Set both by NTP.')
      : ok(said)
  } catch {
    return ok(said)
  } finally {
    await unlink(probe).catch(() => undefined)
  }
}
