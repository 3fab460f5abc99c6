import type { Gap, Plan, Progress, Source, SourceRecord } from '../port.js'
import type { KafkaLink, KafkaMember, PlacedMessage } from './port.js'
import { isDoubtful, isGap, readGap } from './topic-message.js'

/** A source over the partitions of a topic that this member of a group was given. */
export interface KafkaSource extends Source {
  /** Gaps that were read and not yet committed past. */
  gaps(partition: string): Promise<readonly Gap[]>
  wait(consumer: string, ms: number): Promise<void>
  /** Why nothing is read; `null` = all is well. */
  readonly trouble: string | null
}

interface Options {
  readonly link: KafkaLink
  readonly topic: string
  readonly group: string
  /** Bytes of one event, where none has been seen: for the lag in bytes. */
  readonly usualBytes?: number
}

/** What stands beside a committed offset: first and last of an insert that was begun. */
const planOf = (metadata: string): Plan | null => {
  if (metadata === '') return null
  try {
    const { first, last } = JSON.parse(metadata) as Partial<Plan>
    return Number.isSafeInteger(first) && Number.isSafeInteger(last) ? { first: first as number, last: last as number } : null
  } catch {
    return null
  }
}

/**
 * Reads a topic as ingest reads a journal (storage.md §2-3). A plan is the committed offset with the range's end as its metadata, so that
 * whoever gets the partition next cuts the same range. Only partitions that are assigned now are told.
 */
export const openKafkaSource = ({ link, topic, group, usualBytes = 2048 }: Options): KafkaSource => {
  const member: KafkaMember = link.join(group, topic)
  const name = (partition: number): string => `${topic}/${partition}`
  const numberOf = (partition: string): number => Number(partition.slice(topic.length + 1))
  const gaps = new Map<string, Map<number, Gap>>()
  /** As far as this member knows. */
  const committed = new Map<string, number>()
  let generation = -1
  let seen = { bytes: 0, messages: 0 }

  /** With a new assignment another member may have been here: what was known of positions is asked for anew. */
  const renewed = (): boolean => {
    if (member.generation() === generation) return false
    generation = member.generation()
    gaps.clear()
    committed.clear()
    return true
  }
  /** @throws Error when the partition has been assigned anew since its position was asked for. */
  const positionOf = (partition: string): number => {
    renewed()
    const at = committed.get(partition)
    if (at === undefined) throw new Error(`${partition} was assigned anew; what was read of it is dropped and read again.`)
    return at
  }

  const noteGap = (partition: string, gap: Gap): void => {
    let known = gaps.get(partition)
    if (known === undefined) gaps.set(partition, (known = new Map()))
    known.set(gap.at, gap)
  }

  const recordOf = ({ offset, value, headers, timestampMs }: PlacedMessage): SourceRecord => ({
    at: offset,
    next: offset + 1,
    payload: value,
    doubt: isDoubtful({ offset, value, headers, timestampMs }),
  })

  return {
    partitions() {
      // None, once, after an assignment: who holds positions forgets them.
      return Promise.resolve(renewed() ? [] : member.assigned().map(name))
    },
    read(partition, from, max, maxBytes) {
      const records: SourceRecord[] = []
      for (let at = from; records.length === 0;) {
        const messages = member.read(numberOf(partition), at, max, maxBytes)
        const last = messages.at(-1)
        if (last === undefined) break
        for (const message of messages) {
          seen = { bytes: seen.bytes + message.value.length, messages: seen.messages + 1 }
          const gap = isGap(message) ? readGap(message) : null
          if (gap === null) records.push(recordOf(message))
          else noteGap(partition, gap)
        }
        at = last.offset + 1
      }
      return Promise.resolve(records)
    },
    async progress(partition): Promise<Progress> {
      renewed()
      const { offset, metadata } = await member.position(numberOf(partition))
      committed.set(partition, Math.max(0, offset))
      return { committed: Math.max(0, offset), planned: planOf(metadata) }
    },
    async plan(partition, _consumer, plan) {
      // The offset stays: between it and the plan's first may lie gaps that are not told yet.
      await member.commit(numberOf(partition), positionOf(partition), JSON.stringify(plan))
    },
    async commit(partition, _consumer, next) {
      positionOf(partition)
      await member.commit(numberOf(partition), next, '')
      committed.set(partition, next)
      const known = gaps.get(partition)
      if (known !== undefined) for (const at of known.keys()) if (at < next) known.delete(at)
    },
    async lagBytes() {
      const [ends, done] = await Promise.all([link.offsets(topic), link.groupOffsets(group, topic)])
      let messages = 0
      for (const [partition, { low, high }] of ends)
        messages += Math.max(0, high - Math.max(low, done.get(partition)?.offset ?? 0))
      return Math.round(messages * (seen.messages === 0 ? usualBytes : seen.bytes / seen.messages))
    },
    gaps: (partition) => Promise.resolve([...(gaps.get(partition)?.values() ?? [])].sort((a, b) => a.at - b.at)),
    wait: (_consumer, ms) => member.wait(ms),
    get trouble() {
      return member.trouble
    },
    close: () => member.close(),
  }
}
