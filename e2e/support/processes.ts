import { readFileSync } from 'node:fs'

/** The process of a role that a supervisor runs at the moment; `null` between two. Linux only. */
export const roleOf = (supervisor: number, role: 'proxy' | 'hub'): number | null => {
  try {
    const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ')
    for (const pid of children) {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (args.includes(role)) return Number(pid)
    }
  } catch {
    // It ended while we looked.
  }
  return null
}
