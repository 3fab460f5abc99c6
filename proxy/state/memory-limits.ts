import { LRUCache } from 'lru-cache'
import { fits, levelOf, msUntil, settled, type Bucket, type Level } from './bucket.js'
import { readLimits, writeLimits, type KeptBucket } from './limit-file.js'
import { stateOf } from './limit-state.js'
import type { LimitBucket, LimitState, LimitStore } from './limit-store.js'

export interface MemoryLimitsOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Where levels outlive the process; `null` = they do not. */
  readonly file: string | null
  /** Told when they cannot be written. Limits go on without. */
  readonly failed: (cause: unknown) => void
  /** Buckets of callers, and as many of operators; the one longest untouched is forgotten, and is full again. */
  readonly most?: number
}

/** Some 40 MB of buckets, measured with names of 50 characters. */
const mostBuckets = 100_000
const saveMs = 30_000

interface Held extends Bucket {
  readonly windowMs: number
}

/**
 * Limits of one process: exact, bounded, saved every 30 s and at the end. What callers can make many of does not push out what operators
 * have set.
 */
export const openMemoryLimits = ({ now, file, failed, most = mostBuckets }: MemoryLimitsOptions): LimitStore => {
  const shelves = { operator: null as LRUCache<string, Held> | null, caller: null as LRUCache<string, Held> | null }
  const shelf = (owner: LimitBucket['owner']): LRUCache<string, Held> => (shelves[owner] ??= new LRUCache({ max: most }))
  let touched = false

  if (file !== null)
    for (const { name, ...held } of readLimits(file, now()))
      shelf(name.startsWith('operator ') ? 'operator' : 'caller').set(name, held)

  const put = (name: string, { owner, quotaMicro, windowMs }: LimitBucket, { level, rest }: Level, at: number): void => {
    touched = true
    const kept = shelf(owner)
    const before = kept.peek(name)
    if (level >= quotaMicro) return void kept.delete(name)
    if (before === undefined) return void kept.set(name, { level, rest, at, quotaMicro, windowMs })
    before.level = level
    before.rest = rest
    // A clock that went back does not give the same time twice.
    before.at = Math.max(at, before.at)
    before.quotaMicro = quotaMicro
  }

  const save = async (): Promise<void> => {
    if (file === null || !touched) return
    touched = false
    const at = now()
    const buckets: KeptBucket[] = []
    for (const kept of [shelves.operator, shelves.caller])
      // The longest untouched first: read back in this order, it is forgotten first again.
      for (const name of kept?.rkeys() ?? []) {
        const held = kept?.peek(name)
        if (held !== undefined && levelOf(held, held.quotaMicro, held.windowMs, at).level < held.quotaMicro)
          buckets.push({ ...held, name })
      }
    await writeLimits(file, buckets)
  }
  let saving = Promise.resolve()
  const saveNow = (): Promise<void> => (saving = saving.then(save).catch(failed))
  const timer = file === null ? null : setInterval(() => void saveNow(), saveMs).unref()

  return {
    take: async (tenant, checks) => {
      const at = now()
      const names = checks.map(({ owner, key }) => `${owner} ${tenant} ${key}`)
      const levels = checks.map(({ owner, quotaMicro, windowMs }, i) =>
        levelOf(shelf(owner).get(names[i] as string), quotaMicro, windowMs, at),
      )
      const taken = checks.every(({ costMicro, quotaMicro }, i) => fits(levels[i] as Level, costMicro, quotaMicro))
      const states = checks.map((check, i): LimitState => {
        const { costMicro, quotaMicro, windowMs } = check
        const level = levels[i] as Level
        if (!taken) return stateOf(level, check, msUntil(level, costMicro, quotaMicro, windowMs))
        const left = { level: level.level - costMicro, rest: level.rest }
        put(names[i] as string, check, left, at)
        return stateOf(left, check, 0)
      })
      return { taken, states }
    },
    settle: async (tenant, settlements) => {
      const at = now()
      for (const settlement of settlements) {
        const { owner, key, quotaMicro, windowMs, changeMicro } = settlement
        const name = `${owner} ${tenant} ${key}`
        const level = levelOf(shelf(owner).peek(name), quotaMicro, windowMs, at)
        put(name, settlement, settled(level, changeMicro, quotaMicro), at)
      }
    },
    close: async () => {
      if (timer !== null) clearInterval(timer)
      await saveNow()
    },
  }
}
