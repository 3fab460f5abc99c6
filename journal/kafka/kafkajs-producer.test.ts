import type { Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { kafkajsProducer } from './kafkajs-producer.js'
import { BrokerRefusal, NoSuchPartition } from './port.js'

const message = { key: 'k', value: Buffer.from('v'), headers: {} }
const well = { topicName: 't', partition: 3, errorCode: 0 }

/** A kafkajs whose producer answers as it is told. */
const answering = (answer: () => unknown) => {
  const asked: { partition: number; acks: number; compression: number }[] = []
  const made: object[] = []
  const kafka = {
    producer: (settings: object) => {
      made.push(settings)
      return {
        connect: () => Promise.resolve(),
        disconnect: () => Promise.resolve(),
        send: ({ acks, compression, messages }: { acks: number; compression: number; messages: { partition: number }[] }) => {
          for (const { partition } of messages) asked.push({ partition, acks, compression })
          return Promise.resolve().then(answer)
        },
      }
    },
  } as unknown as Kafka
  return { kafka, asked, made }
}
const send = async (answer: () => unknown): Promise<void> =>
  (await kafkajsProducer(answering(answer).kafka)).send('t', 3, [message, message])

test('one partition a send, acknowledged by all replicas, one request at a time, idempotent, LZ4', async () => {
  const { kafka, asked, made } = answering(() => [well])
  await (await kafkajsProducer(kafka)).send('t', 3, [message, message])
  expect(asked).toEqual([3, 3].map((partition) => ({ partition, acks: -1, compression: 3 })))
  expect(made).toMatchObject([{ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false }])
})

test.each([
  ['another partition', [{ ...well, partition: 4 }]],
  ['another topic', [{ ...well, topicName: 'u' }]],
  ['a second one', [well, { ...well, partition: 4 }]],
  ['an error', [{ ...well, errorCode: 7 }]],
])('an answer that names %s is none', async (_name, answer) => {
  await expect(send(() => answer)).rejects.toThrow('does not name it')
})

test('no answer at all, and a topic that is gone, are told apart: the topic is to be looked for', async () => {
  await expect(send(() => [])).rejects.toBeInstanceOf(NoSuchPartition)
  const gone = Object.assign(new Error('This server does not host this topic-partition'), { type: 'UNKNOWN_TOPIC_OR_PARTITION' })
  await expect(send(() => Promise.reject(new Error('retries', { cause: gone })))).rejects.toBeInstanceOf(NoSuchPartition)
})

test('what the messages themselves are at fault for is a refusal; what the moment is, is not', async () => {
  const failing = (type: string) => send(() => Promise.reject(Object.assign(new Error(type), { type })))
  await expect(failing('MESSAGE_TOO_LARGE')).rejects.toBeInstanceOf(BrokerRefusal)
  await expect(failing('OUT_OF_ORDER_SEQUENCE_NUMBER')).rejects.not.toBeInstanceOf(BrokerRefusal)
  await expect(failing('NOT_ENOUGH_REPLICAS')).rejects.toThrow('NOT_ENOUGH_REPLICAS')
})
