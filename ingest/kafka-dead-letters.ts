import type { KafkaLink, KafkaProducer } from '../journal/kafka/port.js'
import type { DeadLetters } from './dead-letters.js'

interface Options {
  readonly link: KafkaLink
  readonly topic: string
  readonly now: () => number
}

/** Dead letters in a topic of their own: the payload as it was, why and where it lay in the headers (storage.md §2). */
export const kafkaDeadLetters = async ({ link, topic, now }: Options): Promise<DeadLetters> => {
  let producer: KafkaProducer | null = null
  let count = 0
  const recount = async (): Promise<void> => {
    let found = 0
    for (const { low, high } of (await link.offsets(topic)).values()) found += high - low
    count = found
  }
  await recount()
  return {
    async put({ reason, error, source, payload }) {
      const headers = {
        v: '1',
        reason,
        error: error.slice(0, 4096),
        partition: source.partition,
        first: String(source.first),
        last: String(source.last),
        at: new Date(now()).toISOString(),
      }
      try {
        producer ??= await link.producer()
        await producer.send(topic, 0, [{ key: source.partition, value: Buffer.from(payload), headers }])
        count++
      } catch (cause) {
        const old = producer
        producer = null
        await old?.close().catch(() => undefined)
        throw cause
      }
    },
    count: () => count,
    recount,
  }
}
