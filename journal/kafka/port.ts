/** One message, to be sent or as it was read. Headers are text. */
export interface KafkaMessage {
  /** Decides the partition. */
  readonly key: string
  readonly value: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** A message at its place. */
export interface PlacedMessage {
  readonly offset: number
  readonly value: Buffer
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds since the epoch, as the producer or the broker wrote it. */
  readonly timestampMs: number
}

/** What a topic is made with when it is missing; one that exists is never altered. */
export interface TopicWish {
  readonly topic: string
  readonly partitions: number
  readonly retentionMs: number
}

/** `null` = this user may not see it. */
export interface TopicFacts {
  readonly partitions: number
  /** Of the partition that has fewest. */
  readonly replicas: number
  /** -1 = for ever. */
  readonly retentionMs: number | null
  readonly minInsyncReplicas: number | null
  readonly maxMessageBytes: number | null
}

export interface PartitionOffsets {
  readonly low: number
  readonly high: number
}

/** Where a group stands in a partition; `offset` -1 = nowhere yet. */
export interface GroupOffset {
  readonly offset: number
  readonly metadata: string
}

/** Writes; one after the other. */
export interface KafkaProducer {
  /**
   * Sends to one partition, in order.
   *
   * @returns When every replica in sync has them, and the answer has named the partition.
   * @throws BrokerRefusal when the messages themselves are at fault, NoSuchPartition when there is no such place any more; else any
   *   error: nobody knows what of them is there. After it the producer is used no more.
   */
  send(topic: string, partition: number, messages: readonly KafkaMessage[]): Promise<void>
  close(): Promise<void>
}

/** A member of a group, which reads the partitions it was given. */
export interface KafkaMember {
  /** Partitions that are its own now; changes with every rebalance. */
  assigned(): readonly number[]
  /** Grows with each assignment. */
  generation(): number
  /**
   * What has come from `from` on, in order, without waiting for more: at most `max` messages and `maxBytes` (a longer one comes alone).
   * What was read stays to be read again until `commit`.
   */
  read(partition: number, from: number, max: number, maxBytes: number): readonly PlacedMessage[]
  /** Has everything before `upTo` come that will? Once asked for it comes, however much of the others waits in memory. */
  arrived(partition: number, upTo: number): boolean
  position(partition: number): Promise<GroupOffset>
  /** What lies before `offset` is not read again by this member. */
  passed(partition: number, offset: number): void
  /** Passes it, too. Durable when it resolves. Rejects when the partition may be another member's by now, or nobody has acknowledged it. */
  commit(partition: number, offset: number, metadata: string): Promise<void>
  /** Resolves when something came, or an assignment, or after `ms`. */
  wait(ms: number): Promise<void>
  /** Why it does not read; `null` = it does. */
  readonly trouble: string | null
  close(): Promise<void>
}

/** What Weir asks of a Kafka client; behind it is kafkajs, and may be another one day. */
export interface KafkaLink {
  /** Makes the topics that are missing. @returns the facts of each, in order. */
  ensure(topics: readonly TopicWish[]): Promise<readonly TopicFacts[]>
  /** Makes nothing; `null` = there is no such topic. */
  look(topic: string): Promise<TopicFacts | null>
  /** Which partition a key belongs to (murmur2, as the Java client). */
  partitionOf(key: string, partitions: number): number
  offsets(topic: string): Promise<ReadonlyMap<number, PartitionOffsets>>
  groupOffsets(group: string, topic: string): Promise<ReadonlyMap<number, GroupOffset>>
  /** How many processes read for a group at the moment. */
  memberCount(group: string): Promise<number>
  producer(): Promise<KafkaProducer>
  /** Begins at the oldest message where the group was never before. */
  join(group: string, topic: string): KafkaMember
  close(): Promise<void>
}

/** The broker does not take these messages, and never will: too long, or not valid. */
export class BrokerRefusal extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BrokerRefusal'
  }
}

/** The topic was deleted, or made anew with fewer partitions. */
export class NoSuchPartition extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NoSuchPartition'
  }
}
