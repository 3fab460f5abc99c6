import type { Db } from '../../clickhouse/db.js'
import { storedPositions } from '../../clickhouse/queries/stored-positions.js'
import { positionBehind } from '../../journal/kafka/kafka-source.js'
import type { KafkaLink, KafkaMember } from '../../journal/kafka/port.js'

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

interface Wanted extends Rewound {
  /** Beside the position, as ingest reads it. */
  readonly metadata: string
}

interface Options {
  readonly db: Pick<Db, 'rows'>
  readonly link: KafkaLink
  readonly topic: string
  readonly group: string
  readonly dryRun: boolean
  readonly now: () => number
}

const joinMs = 90_000

/** The one member of a group, once every partition is its own. */
const alone = async (member: KafkaMember, group: string, partitions: number): Promise<void> => {
  for (const until = Date.now() + joinMs; member.generation() === 0; await member.wait(100))
    if (Date.now() > until) throw new Error(`The group ${group} could not be joined. ${member.trouble ?? ''}`.trimEnd())
  if (member.assigned().length < partitions)
    throw new Error(`Another process has just begun to read for ${group}: stop it first.`)
}

/** A member that has just joined may not commit yet, and cannot tell. The same position twice is one. */
const commit = async (member: KafkaMember, { partition, to, metadata }: Wanted): Promise<void> => {
  for (const until = Date.now() + joinMs; ; await member.wait(250))
    try {
      return await member.commit(partition, to, metadata)
    } catch (cause) {
      if (Date.now() > until) throw cause
    }
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
  if ((await link.memberCount(group)) > 0)
    throw new Error(`The group ${group} reads ${topic} at the moment: stop every process of it first.`)
  const [ends, stands] = [await link.offsets(topic), await link.groupOffsets(group, topic)]
  // Of calls that began before the oldest message nothing can lie in the topic; a day for those that took long.
  const keptMs = facts.retentionMs === null || facts.retentionMs < 0 ? null : facts.retentionMs
  const since = new Date(keptMs === null ? 0 : Math.max(0, now() - keptMs - dayMs))
  const stored = await storedPositions(db, topic, since)
  const wanted = [...ends]
    .sort(([a], [b]) => a - b)
    .map(([partition, range]): Wanted => {
      const stand = stands.get(partition)
      const { offset, metadata, missing } = positionBehind({ topic, partition }, range, { stand, stored })
      return { partition, from: stand?.offset ?? -1, to: offset, metadata, messages: range.high - offset, missing }
    })
  if (!dryRun) {
    const member = link.join(group, topic)
    try {
      await alone(member, group, wanted.length)
      for (const one of wanted) await commit(member, one)
    } finally {
      await member.close()
    }
  }
  return wanted.map(({ metadata: _, ...rewound }) => rewound)
}
