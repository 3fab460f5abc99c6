import kafkajs, { type Kafka } from 'kafkajs'
import { BrokerRefusal, NoSuchPartition, type KafkaProducer } from './port.js'

/** Faults of the messages, not of the moment. */
const refusals = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
])

const typeOf = (cause: unknown): string => {
  const { type, cause: inner } = cause as { type?: unknown; cause?: unknown }
  return typeof type === 'string' ? type : inner === undefined ? '' : typeOf(inner)
}

/**
 * A producer that believes no answer that does not name its partition. kafkajs 2.2.4 resolves a send over several partitions although
 * those of a dead leader were never written (servers.md): each of ours has one, and is read.
 *
 * @throws Error when no broker is there.
 */
export const kafkajsProducer = async (kafka: Kafka): Promise<KafkaProducer> => {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  return {
    async send(topic, partition, messages) {
      let answers
      try {
        answers = await producer.send({
          topic,
          acks: -1,
          timeout: 10_000,
          compression: kafkajs.CompressionTypes.LZ4,
          messages: messages.map(({ key, value, headers }) => ({ partition, key, value, headers: { ...headers } })),
        })
      } catch (cause) {
        if (refusals.has(typeOf(cause))) throw new BrokerRefusal(`The broker refused a message: ${typeOf(cause)}.`, { cause })
        if (typeOf(cause) === 'UNKNOWN_TOPIC_OR_PARTITION')
          throw new NoSuchPartition(`There is no ${topic}/${partition} (any more).`, { cause })
        throw cause
      }
      // It leaves out, without a word, what it knows no leader for.
      if (answers.length === 0) throw new NoSuchPartition(`Nobody takes what is for ${topic}/${partition}.`)
      const [answer, ...more] = answers
      if (more.length > 0 || answer?.topicName !== topic || answer.partition !== partition || answer.errorCode !== 0)
        throw new Error(`The answer to a send to ${topic}/${partition} does not name it: ${JSON.stringify(answers)}.`)
    },
    close: () => producer.disconnect(),
  }
}
