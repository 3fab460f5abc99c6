import type { Db } from '../db.js'

/**
 * Where does each partition of a topic end in the store? The last position of a call that began since, by partition's name; a partition
 * without one is not in it. Every tenant's: the operator's chore.
 */
export const storedPositions = async (db: Pick<Db, 'rows'>, topic: string, since: Date): Promise<ReadonlyMap<string, number>> => {
  const rows = await db.rows<{ source: string; last: string }>(
    'stored-positions',
    `SELECT source, toString(max(source_offset)) AS last FROM requests
     WHERE startsWith(source, {prefix:String}) AND ts >= {since:DateTime64(3, 'UTC')} GROUP BY source`,
    { prefix: `${topic}/`, since },
  )
  return new Map(rows.map(({ source, last }) => [source, Number(last)]))
}
