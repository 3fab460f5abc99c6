import type { Db } from '../../clickhouse/db.js'
import type { TenantId } from '../../core/tenant.js'

export interface Doubted {
  readonly id: string
  /** ISO 8601, as in the event. */
  readonly startedAt: string
}

interface Stored {
  readonly id: string
}

/**
 * Which of these events of one tenant are stored already from another position? Events marked `doubt` may lie twice in the log (shipped again,
 * sent again from the dead letters); the insert token cannot tell, because their positions differ.
 *
 * @param range Rows that came from this range of this partition do not count: after a crash they are this very batch.
 * @returns Ids. At most 1,000 events are looked up in one go; the caller cuts.
 */
export const storedElsewhere = async (
  db: Pick<Db, 'rows'>,
  tenant: TenantId,
  events: readonly Doubted[],
  range: { readonly partition: string; readonly first: number; readonly last: number },
): Promise<ReadonlySet<string>> => {
  const found = new Set<string>()
  for (let from = 0; from < events.length; from += 1000) {
    const some = events.slice(from, from + 1000)
    const times = some.map((event) => event.startedAt).sort()
    const rows = await db.rows<Stored>(
      'doubted-events',
      `SELECT DISTINCT toString(request_id) AS id FROM requests
       WHERE tenant_id = {tenant:String}
         AND ts >= parseDateTime64BestEffort({from:String}, 3, 'UTC') AND ts <= parseDateTime64BestEffort({to:String}, 3, 'UTC')
         AND request_id IN {ids:Array(UUID)}
         AND NOT (source = {partition:String} AND source_offset >= {first:UInt64} AND source_offset <= {last:UInt64})`,
      {
        tenant,
        from: times[0] as string,
        to: times.at(-1) as string,
        ids: some.map((event) => event.id),
        partition: range.partition,
        first: range.first,
        last: range.last,
      },
    )
    for (const row of rows) found.add(row.id)
  }
  return found
}
