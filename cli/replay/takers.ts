import type { Exchange } from '../../core/exchange.js'
import { BrokerRefusal, type KafkaLink, type KafkaProducer } from '../../journal/kafka/port.js'
import { eventMessage } from '../../journal/kafka/topic-message.js'
import type { JournalWriter } from '../../journal/port.js'
import type { Letter } from './letter.js'
import type { Taker } from './replay.js'

/** Into the journal, as a writer of its own (opened with `doubt`), whose events are looked up before they are stored. */
export const journalTaker = (journal: JournalWriter): Taker => ({
  take: ({ id, tenant }: Exchange, { payload }: Letter) =>
    new Promise((resolve, reject) =>
      journal.append('end', id, tenant, [payload], 'strict', (failure) =>
        failure === null ? resolve('taken') : reject(failure),
      ),
    ),
})

interface Topic {
  readonly link: KafkaLink
  readonly topic: string
  readonly partitions: number
}

/** Into the topic, in doubt. */
export const topicTaker = ({ link, topic, partitions }: Topic): Taker & { close(): Promise<void> } => {
  let producer: KafkaProducer | null = null
  const close = async (): Promise<void> => {
    const old = producer
    producer = null
    await old?.close()
  }
  return {
    async take({ writer }, { payload, first }) {
      const message = eventMessage(payload, { writer, at: first }, true)
      try {
        producer ??= await link.producer()
        await producer.send(topic, link.partitionOf(message.key, partitions), [message])
        return 'taken'
      } catch (cause) {
        await close().catch(() => undefined)
        if (cause instanceof BrokerRefusal) return 'refused'
        throw cause
      }
    },
    close,
  }
}
