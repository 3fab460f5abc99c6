import type { Db } from '../db.js'
import type { Shards } from './rollups.js'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Roll-ups themselves end after 25 months. */
const rollupMs = 24 * 30 * dayMs

export interface Kept {
  /** The shortest retention there is at the moment, in days: of stored calls, or of calls to come. */
  readonly shortest: number
  /** The first day from which every call must still be stored; ms since the epoch. */
  readonly wholeSinceMs: number
}

/**
 * Since when is every call still there? Parts that retention took leave no trace, and a roll-up keeps their sums; so the shortest
 * retention of the last 31 days counts, as the checks wrote it down, and the last deletion that was asked for.
 *
 * @param options `retentionDays` of the configuration in force. With shards the last deletion is the one of the shard that is asked.
 */
export const wholeSince = async (
  db: Pick<Db, 'rows'>,
  { now, retentionDays, shards }: { readonly now: number; readonly retentionDays: number; readonly shards: Shards | null },
): Promise<Kept> => {
  const [stored] = await db.rows<{ shortest: number; n: string }>(
    'shortest-retention-stored',
    shards === null
      ? `SELECT toUInt32(min(toUInt16OrZero(extract(partition, '\\\\d+')))) AS shortest, count() AS n
         FROM system.parts WHERE database = currentDatabase() AND table = 'requests' AND active`
      : 'SELECT toUInt32(min(retention_days)) AS shortest, count() AS n FROM requests',
  )
  const [before] = await db.rows<{ shortest: number; n: string }>(
    'shortest-retention-before',
    "SELECT toUInt32(min(shortest_retention)) AS shortest, count() AS n FROM rollup_checks WHERE at > {since:DateTime64(3, 'UTC')}",
    { since: new Date(now - 31 * dayMs) },
  )
  const [deleted] = await db.rows<{ at: string }>(
    'last-deletion',
    `SELECT toString(toUnixTimestamp(max(create_time))) AS at FROM system.mutations
     WHERE database = currentDatabase() AND table IN ('requests', 'requests_local') AND (command ILIKE '%DELETE%' OR command ILIKE '%_row_exists%')`,
  )
  const known = (found: { shortest: number; n: string } | undefined): number[] =>
    found === undefined || found.n === '0' ? [] : [found.shortest]
  const shortest = Math.min(retentionDays, ...known(stored))
  const sinceMs = Math.max(
    now - Math.min(shortest, ...known(before)) * dayMs + 2 * hourMs,
    Number(deleted?.at ?? 0) * 1000 + 1000,
    now - rollupMs,
  )
  return { shortest, wholeSinceMs: Math.ceil(sinceMs / dayMs) * dayMs }
}
