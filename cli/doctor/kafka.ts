import { connect } from 'node:net'
import type { Config } from '../../core/config.js'
import { kafkaAccess } from '../../journal/kafka/access.js'
import { kafkajsLink } from '../../journal/kafka/kafkajs-link.js'
import type { TopicFacts } from '../../journal/kafka/port.js'
import { deadTopic, eventsTopic } from '../../journal/kafka/topics.js'
import { whyOf } from '../../journal/kafka/why.js'
import { sentenceOf } from '../start-error.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

const answerMs = 5000
const dayMs = 86_400_000
/** What a batch costs beside its messages. */
const batchBytes = 1024

const answers = (broker: string): Promise<boolean> =>
  new Promise((resolve) => {
    const colon = broker.lastIndexOf(':')
    const socket = connect({ host: broker.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(broker.slice(colon + 1)) })
    const end = (well: boolean): void => {
      socket.destroy()
      resolve(well)
    }
    socket.setTimeout(answerMs, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })

const checkBrokers = async (brokers: readonly string[]): Promise<Check> => {
  const { ok, warn, fail } = verdicts('kafka')
  const up = await Promise.all(brokers.map(answers))
  const down = brokers.filter((_, i) => !up[i])
  if (down.length === 0) return ok(`${brokers.join(', ')} ${brokers.length === 1 ? 'answers' : 'answer'}`)
  return down.length === brokers.length
    ? fail(`${down.join(', ')}: nobody answers; calls wait in the journal`, 'Start the brokers, or correct KAFKA_BROKERS.')
    : warn(`${down.join(', ')}: nobody answers`, 'The others are enough to start with; correct KAFKA_BROKERS, or start it.')
}

const days = (ms: number): string => `${Number((ms / dayMs).toFixed(1))} days`
const alter = (topic: string, entry: string): string =>
  `kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${entry}`

/**
 * What is wrong with a topic that is there; Weir made it, or somebody else, and it is never altered by us.
 *
 * @param facts `null` = it is not there yet.
 */
export const topicChecks = (topic: string, facts: TopicFacts | null, { maxMessageBytes }: Config['kafka']): readonly Check[] => {
  const { ok, warn } = verdicts('kafka topic')
  if (facts === null) return [ok(`${topic} is made at the first start`)]
  const { partitions, replicas, retentionMs, minInsyncReplicas, maxMessageBytes: taken } = facts
  const wish = eventsTopic(topic)
  const found: Check[] = []
  if (partitions < wish.partitions)
    found.push(
      warn(
        `${topic} has ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}: at most so many ingest processes share the work`,
        `kafka-topics.sh --alter --topic ${topic} --partitions ${wish.partitions}, while nothing waits in it; then restart the proxies.`,
      ),
    )
  if (retentionMs !== null && retentionMs >= 0 && retentionMs < wish.retentionMs)
    found.push(
      warn(
        `${topic} keeps events for ${days(retentionMs)}: an ingest that is away longer loses them`,
        alter(topic, `retention.ms=${wish.retentionMs}`),
      ),
    )
  if (replicas < 3)
    found.push(
      warn(
        `${topic} is kept by ${replicas} ${replicas === 1 ? 'broker' : 'brokers'}: events are lost with ${replicas === 1 ? 'its disk' : 'their disks'}`,
        'Give it 3 replicas (kafka-reassign-partitions.sh), once there are as many brokers.',
      ),
    )
  if (minInsyncReplicas !== null && replicas >= 3 && minInsyncReplicas < 2)
    found.push(
      warn(
        `${topic} takes an event for safe that one broker has (min.insync.replicas ${minInsyncReplicas})`,
        alter(topic, 'min.insync.replicas=2'),
      ),
    )
  if (minInsyncReplicas !== null && replicas > 1 && minInsyncReplicas >= replicas)
    found.push(
      warn(
        `${topic} takes nothing while one of its ${replicas} brokers is away (min.insync.replicas ${minInsyncReplicas})`,
        alter(topic, `min.insync.replicas=${replicas - 1}`),
      ),
    )
  if (taken !== null && taken < maxMessageBytes + batchBytes)
    found.push(
      warn(
        `${topic} takes ${taken} bytes at once, kafka.maxMessageBytes is ${maxMessageBytes}: longer events lose more of their bodies`,
        `${alter(topic, `max.message.bytes=${maxMessageBytes + batchBytes}`)}, or lower kafka.maxMessageBytes.`,
      ),
    )
  if (found.length > 0) return found
  return [
    ok(
      retentionMs === null
        ? `${topic} has ${partitions} partitions; this user may not see its settings`
        : `${topic} has ${partitions} partitions, ${replicas} replicas, ${retentionMs < 0 ? 'no retention' : days(retentionMs)}`,
    ),
  ]
}

/** As `topicChecks`, of the topic of dead letters. */
export const deadTopicChecks = (topic: string, facts: TopicFacts | null): readonly Check[] => {
  const { warn } = verdicts('kafka topic')
  const wish = deadTopic(topic)
  if (facts?.retentionMs === undefined || facts.retentionMs === null) return []
  return facts.retentionMs < 0 || facts.retentionMs >= wish.retentionMs
    ? []
    : [
        warn(
          `${wish.topic} keeps what could not be stored for ${days(facts.retentionMs)}`,
          alter(wish.topic, `retention.ms=${wish.retentionMs}`),
        ),
      ]
}

/** The brokers of KAFKA_BROKERS and the topics; nothing when there are none. */
export const checkKafka = async (config: Config): Promise<readonly Check[]> => {
  const { fail } = verdicts('kafka')
  let access
  try {
    access = kafkaAccess(config, 'doctor')
  } catch (cause) {
    return [fail(sentenceOf(cause), 'Correct kafka.ssl in weir.yaml.')]
  }
  if (access === null) return []
  const brokers = await checkBrokers(access.brokers)
  if (brokers.state === 'fail') return [brokers]
  const link = kafkajsLink({ access, complain: () => undefined })
  const { topic } = config.kafka
  try {
    const facts = await link.look(topic)
    return [
      brokers,
      ...topicChecks(topic, facts, config.kafka),
      ...deadTopicChecks(topic, await link.look(deadTopic(topic).topic)),
    ]
  } catch (cause) {
    return [brokers, fail(whyOf(cause), 'Correct kafka in weir.yaml or the rights of its user; calls wait in the journal.')]
  } finally {
    await link.close()
  }
}
