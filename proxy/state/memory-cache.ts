import { LRUCache } from 'lru-cache'
import type { TenantId } from '../../core/tenant.js'
import { CacheFolder } from './cache-folder.js'
import { entryBytes, type CacheEntry, type CacheStore, type Found, type Wanted } from './cache-store.js'

export interface MemoryCacheOptions {
  /** Bytes of all entries together, in memory and on disk each. */
  readonly limitBytes: number
  /** Where entries outlive the process. */
  readonly dir: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** From 0 to below 1. */
  readonly random?: () => number
}

/** An entry, or one that lies on disk still. */
interface Kept {
  readonly bytes: number
  readonly entry: CacheEntry | null
}

export interface MemoryCache extends CacheStore {
  /** Bytes that are accounted for now. */
  readonly bytes: () => number
  /** Resolves when everything on disk is known. Until then it is found by its name. */
  readonly listed: Promise<void>
}

/**
 * Keeps answers in this process, bounded in bytes, the one longest unused out first; and a copy of each on disk, from which they are read
 * again after a restart, when they are asked for.
 */
export const openMemoryCache = ({ limitBytes, dir, now, random = Math.random }: MemoryCacheOptions): MemoryCache => {
  const folder = new CacheFolder(dir)
  const kept = new LRUCache<string, Kept>({
    maxSize: Math.max(1, limitBytes),
    sizeCalculation: ({ bytes }) => bytes,
    dispose: (_, name, reason) => {
      if (reason !== 'set') folder.remove(name)
    },
  })
  let listing = true
  const listed = folder.list().then((files) => {
    for (const { name, bytes } of files)
      if (bytes === 0 || bytes > limitBytes) folder.remove(name)
      else if (!kept.has(name)) kept.set(name, { bytes, entry: null })
    listing = false
  })

  const isLive = (entry: CacheEntry): boolean => entry.expiresAt > now()

  const load = (name: string): CacheEntry | null | Promise<CacheEntry | null> => {
    const read = folder.read(name)
    return read instanceof Promise ? read.then((entry) => loaded(name, entry)) : loaded(name, read)
  }

  const loaded = (name: string, entry: CacheEntry | null): CacheEntry | null => {
    if (entry === null) {
      if (kept.peek(name)?.entry === null) kept.delete(name)
      return null
    }
    // It may have been replaced while it was read.
    const since = kept.peek(name)?.entry
    if (since !== undefined && since !== null) return since
    kept.set(name, { bytes: entryBytes(entry), entry })
    return entry
  }

  /** The entry at once where it is in memory. */
  const look = (name: string): CacheEntry | null | Promise<CacheEntry | null> => {
    const known = kept.get(name)
    if (known === undefined) return listing ? load(name) : null
    if (known.entry === null) return load(name)
    if (isLive(known.entry)) return known.entry
    kept.delete(name)
    return null
  }

  const nameOf = (tenant: TenantId, key: string, slot: number): string => `${tenant}/${key}.${slot}`

  const find = async (tenant: TenantId, key: string, { slots, maxAgeMs }: Wanted): Promise<Found | null> => {
    const drawn = slots === 1 ? 0 : Math.floor(random() * slots)
    let found: Found | null = null
    for (let slot = 0; slot < slots; slot++) {
      const looked = look(nameOf(tenant, key, slot))
      const entry = looked instanceof Promise ? await looked : looked
      if (entry === null || !isLive(entry) || now() - entry.savedAt > maxAgeMs) return null
      if (slot === drawn) found = { entry, slot }
    }
    return found
  }

  /** Entries still on disk count as older than all others. */
  const slotFor = (tenant: TenantId, key: string, slots: number): number => {
    let oldest = { slot: 0, savedAt: Number.POSITIVE_INFINITY }
    for (let slot = 0; slot < slots; slot++) {
      const known = kept.peek(nameOf(tenant, key, slot))
      if (known === undefined || (known.entry !== null && !isLive(known.entry))) return slot
      const savedAt = known.entry?.savedAt ?? 0
      if (savedAt < oldest.savedAt) oldest = { slot, savedAt }
    }
    return oldest.slot
  }

  return {
    find,
    save: async (tenant, key, slots, entry) => {
      const bytes = entryBytes(entry)
      if (bytes <= limitBytes) {
        const name = nameOf(tenant, key, slotFor(tenant, key, slots))
        kept.set(name, { bytes, entry })
        folder.write(name, entry)
      }
    },
    purge: async (tenant) => {
      // What lies there unlisted is found by its name.
      await listed
      const names = [...kept.keys()].filter((name) => name.startsWith(`${tenant}/`))
      for (const name of names) kept.delete(name)
      await folder.removed(`${tenant}/`)
      return names.length
    },
    close: async () => {
      await listed
      await folder.settled()
    },
    bytes: () => kept.calculatedSize,
    listed,
  }
}
