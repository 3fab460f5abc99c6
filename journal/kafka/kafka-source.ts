import { PartitionMoved, type Gap, type Plan, type Progress, type Source, type SourceRecord } from '../port.js'
import type { GroupOffset, KafkaLink, KafkaMember, PartitionOffsets, PlacedMessage } from './port.js'
import { isDoubtful, isGap, readGap } from './topic-message.js'

/** A source over the partitions of a topic that this member of a group was given. */
export interface KafkaSource extends Source {
  /** Gaps that were read and not yet committed past. */
  gaps(partition: string): Promise<readonly Gap[]>
  /** Messages that are not committed, by partition, as `lagBytes` saw them last: of its own, or of all while it has none. */
  readonly lags: ReadonlyMap<number, number>
  /** Why nothing is read, or not all of it; `null` = all is well. */
  readonly trouble: string | null
}

interface Options {
  readonly link: KafkaLink
  readonly topic: string
  readonly group: string
  readonly log?: (sentence: string) => void
  /** Bytes of one event, where none has been seen: for the lag in bytes. */
  readonly usualBytes?: number
  readonly patience?: typeof usualPatience
  readonly now?: () => number
}

/** What stands beside a committed offset. */
interface Note {
  /** First and last of an insert that was begun. */
  readonly plan: Plan | null
  /** How often the partition was begun anew. */
  readonly log: number
  /** What lies before it may have been read under the name of an earlier log. */
  readonly doubtBelow: number
}

/** How far a group got that stands there: what it had planned may be stored. */
const reachedBy = ({ offset }: GroupOffset, { plan }: Note): number => Math.max(offset, (plan?.last ?? -1) + 1)

const emptyNote: Note = { plan: null, log: 0, doubtBelow: 0 }

const noteOf = (metadata: string): Note => {
  if (metadata === '') return emptyNote
  try {
    const { first, last, log = 0, doubtBelow = 0 } = JSON.parse(metadata) as Partial<Plan & Note>
    const plan =
      Number.isSafeInteger(first) && Number.isSafeInteger(last) ? { first: first as number, last: last as number } : null
    return Number.isSafeInteger(log) && Number.isSafeInteger(doubtBelow) ? { plan, log, doubtBelow } : { ...emptyNote, plan }
  } catch {
    return emptyNote
  }
}

const textOf = ({ plan, log, doubtBelow }: Note): string =>
  plan === null && log === 0 ? '' : JSON.stringify({ ...plan, ...(log === 0 ? {} : { log, doubtBelow }) })

/** How a partition of a topic is called on rows, by how often it was begun anew. */
const nameOf = (topic: string, partition: number, log: number): string =>
  log === 0 ? `${topic}/${partition}` : `${topic}/${partition}~${log}`

/**
 * Where a group has to stand, so that it reads what comes after what is stored, and nothing of before.
 *
 * @param stand Where it stands now: how often the partition was begun anew is kept.
 * @param stored The last position that is stored, by the name on its rows.
 */
export const positionBehind = (
  { topic, partition }: { readonly topic: string; readonly partition: number },
  { low, high }: PartitionOffsets,
  { stand, stored }: { readonly stand: GroupOffset | undefined; readonly stored: ReadonlyMap<string, number> },
): GroupOffset & { readonly missing: number } => {
  const told = noteOf(stand?.metadata ?? '')
  const newest = [...stored.keys()].reduce((most, name) => {
    const [place, log = '0'] = name.split('~', 2)
    return place === nameOf(topic, partition, 0) ? Math.max(most, Number(log)) : most
  }, told.log)
  const last = stored.get(nameOf(topic, partition, newest))
  const wanted = last === undefined ? low : last + 1
  return {
    offset: Math.min(high, Math.max(low, wanted)),
    metadata: textOf({ plan: null, log: newest, doubtBelow: newest === told.log ? told.doubtBelow : high }),
    missing: last === undefined ? 0 : Math.max(0, low - wanted),
  }
}

/**
 * How often it is looked whether the group still stands where it was seen, and where a partition ends whose position lies behind that;
 * and how long: a new leader may not know its end at once.
 */
const usualPatience = { everyMs: 5000, ms: 15_000 }
const rememberedRepeats = 50_000

/**
 * Reads a topic as ingest reads a journal (storage.md §2-3). A plan is the committed offset with the range's end as its metadata, so that
 * whoever gets the partition next cuts the same range. Only partitions that are assigned now are told, and of these one whose range was
 * begun by somebody else only once all of that range has come: part of it under its token would void the rest.
 */
export const openKafkaSource = (options: Options): KafkaSource => {
  const { link, topic, group, log = () => undefined, usualBytes = 2048, patience = usualPatience, now = Date.now } = options
  const member: KafkaMember = link.join(group, topic)
  const notes = new Map<number, Note>()
  const noteAt = (partition: number): Note => notes.get(partition) ?? emptyNote
  /** One that was begun anew has another name: what was stored from the same offsets of its earlier log is something else. */
  const name = (partition: number): string => nameOf(topic, partition, noteAt(partition).log)
  const numberOf = (partition: string): number => Number(partition.slice(topic.length + 1).split('~', 1)[0])
  const gaps = new Map<string, Map<number, Gap>>()
  /** Of the assignment that was told last. */
  let generation = -1
  const positions = new Map<string, Progress>()
  /**
   * Where the group stood when this process saw it last, by partition. A broker forgets it with the topic, and kafkajs does not: it reads
   * a topic that was made anew from where it was in the old one.
   */
  const standing = new Map<number, GroupOffset>()
  let lookedAt = now()
  /** Partitions whose position lies behind their end: since when, and when they are looked at again. */
  const lost = new Map<number, { readonly sentence: string; readonly since: number; readonly againAt: number }>()
  let seen = { bytes: 0, messages: 0 }
  let lags: ReadonlyMap<number, number> = new Map()

  const isCurrent = (): boolean => member.generation() === generation
  /** @throws PartitionMoved when it was not told since the last assignment: another member may have been here. */
  const positionOf = (partition: string): Progress => {
    const position = isCurrent() ? positions.get(partition) : undefined
    if (position === undefined) throw new PartitionMoved(partition)
    return position
  }

  const noteGap = (partition: string, gap: Gap): void => {
    let known = gaps.get(partition)
    if (known === undefined) gaps.set(partition, (known = new Map()))
    known.set(gap.at, gap)
  }

  /** A send that was given up may land after it was repeated: then the first one comes last, and does not say that it is in doubt. */
  const repeated = new Set<string>()
  const inDoubt = (message: PlacedMessage): boolean => {
    const { id } = message.headers
    if (!isDoubtful(message)) return id !== undefined && repeated.has(id)
    if (id !== undefined) repeated.add(id)
    for (const oldest of repeated) {
      if (repeated.size <= rememberedRepeats) break
      repeated.delete(oldest)
    }
    return true
  }

  const recordOf = (message: PlacedMessage, { doubtBelow }: Note): SourceRecord => ({
    at: message.offset,
    next: message.offset + 1,
    payload: message.value,
    doubt: inDoubt(message) || message.offset < doubtBelow,
  })

  const commitAt = async (partition: number, offset: number, note: Note): Promise<void> => {
    const metadata = textOf(note)
    await member.commit(partition, offset, metadata)
    standing.set(partition, { offset, metadata })
  }

  /** @param reached How far its earlier log had been read. */
  const beginAnew = async (
    partition: number,
    low: number,
    { reached, because }: { readonly reached: number; readonly because: string },
  ): Promise<void> => {
    const begun = { plan: null, log: noteAt(partition).log + 1, doubtBelow: reached }
    await commitAt(partition, low, begun)
    notes.set(partition, begun)
    lost.delete(partition)
    log(`${topic}/${partition} is read from its beginning, ${low}: ${because}. What is stored already is not stored twice.`)
    positions.set(name(partition), { committed: low, planned: null })
  }

  /**
   * The topic was made anew, or has lost events. What lies in it now may be new, or be stored already: all of it is read, in doubt.
   */
  const behindEnd = async (partition: number, reached: number, { low, high }: PartitionOffsets): Promise<void> => {
    const { since } = lost.get(partition) ?? { since: now() }
    const place = `${topic}/${partition}`
    if (now() - since < patience.ms) {
      const sentence = `${group} stands at ${reached} of ${place}, which ends at ${high}: the topic was made anew or has lost events.`
      if (!lost.has(partition)) log(`${sentence} If that is so in ${patience.ms / 1000} s, it is read from its beginning.`)
      lost.set(partition, { sentence, since, againAt: now() + patience.everyMs })
      return
    }
    await beginAnew(partition, low, { reached, because: `${group} stood behind its end` })
  }

  /** Where the group stands in partitions that were just assigned. */
  const locate = async (partitions: readonly number[]): Promise<void> => {
    const wanted = partitions.filter((partition) => (lost.get(partition)?.againAt ?? 0) <= now())
    if (wanted.length === 0) return
    const [ends, stands] = await Promise.all([link.offsets(topic), link.groupOffsets(group, topic)])
    for (const number of wanted) {
      const stand = stands.get(number) ?? { offset: -1, metadata: '' }
      const { low, high } = ends.get(number) ?? { low: 0, high: 0 }
      const before = standing.get(number)
      if (stand.offset < 0 && before !== undefined && before.offset >= 0) {
        const told = noteOf(before.metadata)
        notes.set(number, told)
        const because = `the brokers do not know any more where ${group} stood`
        await beginAnew(number, low, { reached: reachedBy(before, told), because })
        continue
      }
      const note = noteOf(stand.metadata)
      notes.set(number, note)
      standing.set(number, stand)
      const reached = reachedBy(stand, note)
      if (reached > high) {
        await behindEnd(number, reached, { low, high })
        continue
      }
      lost.delete(number)
      const partition = name(number)
      if (stand.offset >= 0 && stand.offset < low)
        log(`${partition}: ${low - stand.offset} events were removed by the topic's retention before ${group} had read them.`)
      positions.set(partition, {
        committed: Math.max(low, stand.offset),
        planned: note.plan === null || note.plan.last < low ? null : note.plan,
      })
    }
  }

  /** Partitions in which the group does not stand where it was seen are located anew, before anything more is read of them. */
  const lookAgain = async (assigned: readonly number[]): Promise<void> => {
    if (now() - lookedAt < patience.everyMs) return
    lookedAt = now()
    const stands = await link.groupOffsets(group, topic)
    for (const partition of assigned) dropMoved(partition, stands.get(partition))
  }

  /** @returns Whether it stands elsewhere than it was seen. */
  const dropMoved = (partition: number, stand: GroupOffset | undefined): boolean => {
    const before = standing.get(partition)
    if (before === undefined || before.offset === (stand?.offset ?? -1)) return false
    positions.delete(name(partition))
    return true
  }

  /** @throws PartitionMoved when what was read may lie in another log than what was committed. */
  const mustStand = async (partition: string): Promise<void> => {
    const number = numberOf(partition)
    if (dropMoved(number, await member.position(number))) throw new PartitionMoved(partition)
  }

  const isReady = (partition: number): boolean => {
    const position = positions.get(name(partition))
    return position !== undefined && (position.planned === null || member.arrived(partition, position.planned.last + 1))
  }

  return {
    async partitions() {
      if (!isCurrent()) {
        generation = member.generation()
        gaps.clear()
        positions.clear()
        notes.clear()
        // None, once, after an assignment: who holds positions forgets them.
        return []
      }
      const assigned = member.assigned()
      const known = assigned.filter((partition) => positions.has(name(partition)))
      await lookAgain(known)
      const moved = known.filter((partition) => !positions.has(name(partition)))
      await locate(assigned.filter((partition) => !positions.has(name(partition))))
      // One that moved is not told, once: who holds its position forgets it.
      return isCurrent() ? assigned.filter((partition) => !moved.includes(partition) && isReady(partition)).map(name) : []
    },
    read(partition, from, max, maxBytes) {
      positionOf(partition)
      const records: SourceRecord[] = []
      for (let at = from; records.length === 0;) {
        const messages = member.read(numberOf(partition), at, max, maxBytes)
        const last = messages.at(-1)
        if (last === undefined) break
        for (const message of messages) {
          seen = { bytes: seen.bytes + message.value.length, messages: seen.messages + 1 }
          const gap = isGap(message) ? readGap(message) : null
          if (gap === null) records.push(recordOf(message, noteAt(numberOf(partition))))
          else noteGap(partition, gap)
        }
        at = last.offset + 1
      }
      return Promise.resolve(records)
    },
    async progress(partition): Promise<Progress> {
      const own = isCurrent() ? positions.get(partition) : undefined
      if (own !== undefined) return own
      const { offset, metadata } = await member.position(numberOf(partition))
      return { committed: Math.max(0, offset), planned: noteOf(metadata).plan }
    },
    async plan(partition, _consumer, plan) {
      // The offset stays: between it and the plan's first may lie gaps that are not told yet.
      const { committed } = positionOf(partition)
      const number = numberOf(partition)
      await mustStand(partition)
      await commitAt(number, committed, { ...noteAt(number), plan })
      if (isCurrent()) positions.set(partition, { committed, planned: plan })
    },
    async commit(partition, _consumer, next) {
      positionOf(partition)
      const number = numberOf(partition)
      await mustStand(partition)
      await commitAt(number, next, { ...noteAt(number), plan: null })
      if (isCurrent()) positions.set(partition, { committed: next, planned: null })
      const known = gaps.get(partition)
      if (known !== undefined) for (const at of known.keys()) if (at < next) known.delete(at)
    },
    async lagBytes() {
      const [ends, stands] = await Promise.all([link.offsets(topic), link.groupOffsets(group, topic)])
      const own = member.assigned()
      lags = new Map(
        [...ends]
          .filter(([partition]) => own.length === 0 || own.includes(partition))
          .map(([partition, { low, high }]) => [
            partition,
            Math.max(0, high - Math.max(low, stands.get(partition)?.offset ?? 0)),
          ]),
      )
      const messages = [...lags.values()].reduce((sum, waiting) => sum + waiting, 0)
      return Math.round(messages * (seen.messages === 0 ? usualBytes : seen.bytes / seen.messages))
    },
    get lags() {
      return lags
    },
    gaps: (partition) => Promise.resolve([...(gaps.get(partition)?.values() ?? [])].sort((a, b) => a.at - b.at)),
    get trouble() {
      return member.trouble ?? [...lost.values()][0]?.sentence ?? null
    },
    close: () => member.close(),
  }
}
