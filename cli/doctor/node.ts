import type { Check } from './check.js'
import { verdicts } from './check.js'

export const checkNode = (found: string): Check => {
  const { ok, warn, fail } = verdicts('node')
  const [major = 0, minor = 0] = found.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    return fail(`Node ${found} is too old`, 'Install Node 24 LTS (20.19 is the least).')
  return major < 24
    ? warn(`Node ${found} works`, 'Node 24 LTS is recommended: the API and the pages are faster on it.')
    : ok(`Node ${found}`)
}

/** Two descriptors a call, and 1,000 for everything else (reliability.md §5). */
export const checkOpenFiles = (limits = userLimits()): Check => {
  const { ok, warn } = verdicts('open files')
  if (!Number.isFinite(limits)) return ok('not limited')
  const calls = Math.max(0, Math.floor((limits - 1000) / 2))
  return limits < 4096
    ? warn(`limit ${limits}: about ${calls} calls at once`, 'Raise it before `weir start`: ulimit -n 65536.')
    : ok(`limit ${limits}: about ${calls} calls at once`)
}

const userLimits = (): number => {
  const report = process.report.getReport() as unknown as { userLimits?: { open_files?: { soft?: number | string } } }
  return Number(report.userLimits?.open_files?.soft ?? Infinity)
}
