import kafkajs, { type Admin } from 'kafkajs'
import { kafkaClient, type Complain, type KafkaAccess } from './client.js'
import { kafkajsMember } from './kafkajs-member.js'
import { kafkajsProducer } from './kafkajs-producer.js'
import type { GroupOffset, KafkaLink, KafkaMember, TopicFacts, TopicWish } from './port.js'

interface Options {
  readonly access: KafkaAccess
  readonly complain: Complain
  /** A consumer could not be brought back to life in this process. */
  readonly onDead?: (cause: Error) => void
}

const settled = { tries: 100, everyMs: 100 }
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Topics as the broker has them, once each has a leader in all its partitions. */
const metadataOf = async (admin: Admin, topics: readonly string[]) => {
  for (let tries = 0; ; tries++) {
    try {
      const { topics: found } = await admin.fetchTopicMetadata({ topics: [...topics] })
      if (found.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) return found
    } catch (cause) {
      if (tries >= settled.tries) throw cause
    }
    if (tries >= settled.tries) throw new Error(`The topics ${topics.join(', ')} have no leader.`)
    await pause(settled.everyMs)
  }
}

const numberIn = (entries: readonly { configName: string; configValue: string }[], name: string): number | null => {
  const value = entries.find(({ configName }) => configName === name)?.configValue
  return value === undefined || !Number.isFinite(Number(value)) ? null : Number(value)
}

const isRefusal = (cause: unknown): boolean => String((cause as { type?: unknown }).type).endsWith('_AUTHORIZATION_FAILED')

/**
 * A Kafka by way of kafkajs 2.2.4, with a guard for each of its known faults (servers.md; docs/decisions/0070). Connects when it is
 * first asked something.
 */
export const kafkajsLink = ({ access, complain, onDead = () => undefined }: Options): KafkaLink => {
  const kafka = kafkaClient(access, complain)
  const partitioner = kafkajs.Partitioners.DefaultPartitioner()
  let admin: Promise<Admin> | null = null
  const members: KafkaMember[] = []
  /**
   * Asks the brokers something. A client that failed is not asked again: once it was asked for a topic that is not there, kafkajs asks
   * for it with every later question, and none is answered.
   */
  const ask = async <T>(question: (asked: Admin) => Promise<T>): Promise<T> => {
    const asked = (admin ??= (async () => {
      const made = kafka.admin({ retry: { retries: 2 } })
      await made.connect()
      return made
    })())
    try {
      return await question(await asked)
    } catch (cause) {
      if (admin === asked) {
        admin = null
        void asked.then((made) => made.disconnect()).catch(() => undefined)
      }
      throw cause
    }
  }

  const facts = async (asked: Admin, topics: readonly string[]): Promise<readonly TopicFacts[]> => {
    const metadata = await metadataOf(asked, topics)
    const { resources } = await asked
      .describeConfigs({
        includeSynonyms: false,
        resources: topics.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
      })
      .catch((cause: unknown) => {
        // Who may write to a topic need not be allowed to look at its settings.
        if (!isRefusal(cause)) throw cause
        return { resources: [] }
      })
    return topics.map((topic) => {
      const partitions = metadata.find(({ name }) => name === topic)?.partitions ?? []
      const entries = resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? []
      return {
        partitions: partitions.length,
        replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
        retentionMs: numberIn(entries, 'retention.ms'),
        minInsyncReplicas: numberIn(entries, 'min.insync.replicas'),
        maxMessageBytes: numberIn(entries, 'max.message.bytes'),
      }
    })
  }

  const create = async (asked: Admin, wishes: readonly TopicWish[]): Promise<void> => {
    const there = new Set(await asked.listTopics())
    const missing = wishes.filter(({ topic }) => !there.has(topic))
    if (missing.length === 0) return
    const { brokers } = await asked.describeCluster()
    // It answers whether they are new: another process may have been quicker.
    await asked.createTopics({
      // kafkajs looks for leaders too early and throws; `metadataOf` waits for them.
      waitForLeaders: false,
      topics: missing.map(({ topic, partitions, retentionMs }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: Math.min(3, brokers.length),
        configEntries: [
          { name: 'retention.ms', value: String(retentionMs) },
          { name: 'min.insync.replicas', value: brokers.length >= 3 ? '2' : '1' },
        ],
      })),
    })
  }

  const groupOffsets = async (group: string, topic: string): Promise<ReadonlyMap<number, GroupOffset>> => {
    const [found] = await ask((asked) => asked.fetchOffsets({ groupId: group, topics: [topic] }))
    return new Map(
      (found?.partitions ?? []).map(({ partition, offset, metadata }) => [
        partition,
        { offset: Number(offset), metadata: metadata ?? '' },
      ]),
    )
  }

  return {
    ensure: (wishes) =>
      ask(async (asked) => {
        await create(asked, wishes)
        return await facts(
          asked,
          wishes.map(({ topic }) => topic),
        )
      }),
    look: (topic) =>
      ask(async (asked) => {
        if (!(await asked.listTopics()).includes(topic)) return null
        return (await facts(asked, [topic]))[0] ?? null
      }),
    partitionOf: (key, partitions) =>
      partitioner({
        topic: '',
        partitionMetadata: Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 0 })) as never,
        message: { key, value: null },
      }),
    async offsets(topic) {
      const found = await ask((asked) => asked.fetchTopicOffsets(topic))
      return new Map(found.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]))
    },
    groupOffsets,
    async memberCount(group) {
      const { groups } = await ask((asked) => asked.describeGroups([group]))
      return groups[0]?.members.length ?? 0
    },
    producer: () => kafkajsProducer(kafka),
    join(group, topic) {
      const member = kafkajsMember({
        kafka,
        group,
        topic,
        complain,
        onDead,
        position: async (partition) => (await groupOffsets(group, topic)).get(partition) ?? { offset: -1, metadata: '' },
      })
      members.push(member)
      return member
    },
    async close() {
      await Promise.all(members.map((member) => member.close()))
      const opened = await admin?.catch(() => null)
      await opened?.disconnect()
    },
  }
}
