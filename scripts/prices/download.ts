import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An unpacked package; its folder is gone once `use` has returned. */
export interface Unpacked {
  readonly folder: string
  readonly version: string
}

/**
 * Fetches the newest wheel of a Python package into a folder of its own, unpacks it, and removes the folder when `use` is done.
 * Nothing of the package is installed or run.
 *
 * @param files What to unpack, as paths inside the wheel.
 * @throws Error of `pip` or `python3`, when either is missing or the registry is out of reach.
 */
export const withWheel = <T>(name: string, files: readonly string[], use: (unpacked: Unpacked) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-prices-'))
  try {
    execFileSync('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--dest', folder, name], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
    })
    const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'))
    if (wheel === undefined) throw new Error(`${name}: no wheel came.`)
    const unpack = 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2], sys.argv[3:])'
    execFileSync('python3', ['-c', unpack, join(folder, wheel), folder, ...files])
    return use({ folder, version: wheel.split('-')[1] ?? '' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
