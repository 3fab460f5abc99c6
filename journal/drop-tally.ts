import type { Drop } from './checkpoint.js'

/** Counts what could not be written, by tenant and reason, until a checkpoint tells it. */
export interface DropTally {
  /** Since the tally was made. */
  readonly total: number
  readonly empty: boolean
  /** @param openId Set when the call's start is in the journal: it must not come back as a lost call. */
  add(tenant: string, reason: string, openId: string | null): void
  /** What was not told yet; stays until `told`. */
  untold(): { readonly drops: readonly Drop[]; readonly ended: readonly string[] }
  /** The checkpoint that held `untold()` is written. */
  told(): void
}

/** @param before Drops to tell that are not this writer's own; they are not in `total`. */
export const dropTally = (now: () => number, before: readonly Drop[] = []): DropTally => {
  let total = 0
  let ended: string[] = []
  const drops = new Map<string, { tenant: string; reason: string; n: number; fromMs: number; toMs: number }>(
    before.map((drop, i) => [`${i}`, { ...drop }]),
  )
  return {
    get total() {
      return total
    },
    get empty() {
      return drops.size === 0 && ended.length === 0
    },
    add(tenant, reason, openId) {
      total++
      if (openId !== null) ended.push(openId)
      const at = now()
      const key = `${reason}\n${tenant}`
      const drop = drops.get(key)
      if (drop === undefined) drops.set(key, { tenant, reason, n: 1, fromMs: at, toMs: at })
      else {
        drop.n++
        drop.toMs = at
      }
    },
    untold: () => ({ drops: [...drops.values()].map((drop) => ({ ...drop })), ended }),
    told() {
      drops.clear()
      ended = []
    },
  }
}
