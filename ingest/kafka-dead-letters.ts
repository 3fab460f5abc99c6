import { BrokerRefusal, type KafkaLink, type KafkaProducer } from '../journal/kafka/port.js'
import { replayedOf, replayGroup } from '../journal/kafka/replayed.js'
import type { DeadLetter, DeadLetters } from './dead-letters.js'

interface Options {
  readonly link: KafkaLink
  readonly topic: string
  /** Is the topic there yet? */
  readonly isThere: () => boolean
  /** Takes what the topic does not: a letter that is too long for it must not stop a consumer. */
  readonly beside: DeadLetters
  readonly now: () => number
}

const longestError = 1024

/** Dead letters in a topic of their own: the payload as it was, why and where it lay in the headers (storage.md §2). */
export const kafkaDeadLetters = ({ link, topic, isThere, beside, now }: Options): DeadLetters => {
  let producer: KafkaProducer | null = null
  let inTopic = 0
  const letGo = async (): Promise<void> => {
    const old = producer
    producer = null
    await old?.close().catch(() => undefined)
  }
  const send = async ({ reason, error, source, payload }: DeadLetter): Promise<void> => {
    const headers = {
      v: '1',
      reason,
      error: error.slice(0, longestError),
      partition: source.partition,
      first: String(source.first),
      last: String(source.last),
      at: new Date(now()).toISOString(),
    }
    producer ??= await link.producer()
    await producer.send(topic, 0, [{ key: source.partition, value: Buffer.from(payload), headers }])
    inTopic++
  }
  return {
    async put(letter) {
      try {
        await send(letter)
      } catch (cause) {
        await letGo()
        if (!(cause instanceof BrokerRefusal)) throw cause
        await beside.put(letter)
      }
    },
    place: `the topic ${topic}`,
    count: () => inTopic + beside.count(),
    async recount() {
      await beside.recount()
      if (!isThere()) return
      const [ends, stands] = await Promise.all([link.offsets(topic), link.groupOffsets(replayGroup, topic)])
      let found = 0
      for (const [partition, { low, high }] of ends) found += replayedOf(stands.get(partition)).countLeft(low, high)
      inTopic = found
    },
  }
}
