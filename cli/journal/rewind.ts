import type { Db } from '../../clickhouse/db.js'
import { storedPositions } from '../../clickhouse/queries/stored-positions.js'
import type { KafkaLink } from '../../journal/kafka/port.js'

const dayMs = 86_400_000

export interface Rewound {
  readonly partition: number
  /** -1 = nowhere yet. */
  readonly from: number
  readonly to: number
  /** What is read again or for the first time. */
  readonly messages: number
  /** Behind the last stored call, and no longer in the topic. */
  readonly missing: number
}

interface Options {
  readonly db: Pick<Db, 'rows'>
  readonly link: KafkaLink
  readonly topic: string
  readonly group: string
  readonly dryRun: boolean
  readonly now: () => number
}

/**
 * Puts ingest's positions in the topic behind the last call the store has: after a restore, what came later is read from there once more,
 * and nothing of before.
 *
 * @throws Error when there is no topic, or ingest runs.
 */
export const rewind = async ({ db, link, topic, group, dryRun, now }: Options): Promise<readonly Rewound[]> => {
  const facts = await link.look(topic)
  if (facts === null) throw new Error(`There is no topic ${topic}.`)
  const ends = await link.offsets(topic)
  const stands = await link.groupOffsets(group, topic)
  // Of calls that began before the oldest message nothing can lie in the topic; a day for those that took long.
  const keptMs = facts.retentionMs === null || facts.retentionMs < 0 ? null : facts.retentionMs
  const since = new Date(keptMs === null ? 0 : Math.max(0, now() - keptMs - dayMs))
  const stored = await storedPositions(db, topic, since)
  const rewound = [...ends]
    .sort(([a], [b]) => a - b)
    .map(([partition, { low, high }]): Rewound => {
      const last = stored.get(`${topic}/${partition}`)
      const wanted = last === undefined ? low : last + 1
      const to = Math.min(high, Math.max(low, wanted))
      const from = stands.get(partition)?.offset ?? -1
      return { partition, from, to, messages: high - to, missing: last === undefined ? 0 : Math.max(0, low - wanted) }
    })
  if (!dryRun) await link.setOffsets(group, topic, new Map(rewound.map(({ partition, to }) => [partition, to])))
  return rewound
}
