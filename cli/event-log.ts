import { join } from 'node:path'
import type { Config } from '../core/config.js'
import type { EventLog } from '../ingest/consume.js'
import type { DeadLetters } from '../ingest/dead-letters.js'
import { consumersOf } from '../ingest/main.js'
import { kafkaDeadLetters } from '../ingest/kafka-dead-letters.js'
import { kafkaAccess } from '../journal/kafka/access.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { openKafkaSource } from '../journal/kafka/kafka-source.js'
import { deadTopic, eventsTopic } from '../journal/kafka/topics.js'
import { openJournalSource } from '../journal/source.js'
import type { Log } from './log.js'

/** Where ingest and the trace destinations read calls from. */
export interface OpenedLog {
  readonly sourceOf: (consumer: string) => EventLog
  /** `null` = those of the data folder. */
  readonly deadLetters: DeadLetters | null
  /** Why nothing can be read; `null` = it can. */
  trouble(): string | null
  close(): Promise<void>
}

const groupOf = (consumer: string): string => `weir.${consumer}`
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const openKafkaLog = async (
  config: Config,
  access: NonNullable<ReturnType<typeof kafkaAccess>>,
  log: Log,
): Promise<OpenedLog> => {
  const { topic } = config.kafka
  const link = kafkajsLink({
    access,
    complain: (sentence) => log.warn(sentence),
    onDead: (cause) => {
      // Another process may do better: the supervisor starts it.
      throw new Error('The Kafka consumer could not be brought back to life.', { cause })
    },
  })
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 15_000)) {
    try {
      await link.ensure([eventsTopic(topic), deadTopic(topic)])
      break
    } catch (cause) {
      log.warn({ err: cause }, `Kafka (${access.brokers.join(', ')}) cannot be reached; trying again in ${waitMs} ms.`)
      await pause(waitMs)
    }
  }
  const sources = new Map(
    consumersOf(config).map((consumer) => [consumer, openKafkaSource({ link, topic, group: groupOf(consumer) })]),
  )
  return {
    sourceOf: (consumer) => {
      const source = sources.get(consumer)
      if (source === undefined) throw new RangeError(`No group reads for "${consumer}".`)
      return source
    },
    deadLetters: await kafkaDeadLetters({ link, topic: deadTopic(topic).topic, now: Date.now }),
    trouble: () => [...sources.values()].map(({ trouble }) => trouble).find((told) => told !== null) ?? null,
    close: () => link.close(),
  }
}

/**
 * The log of events: the topic of `KAFKA_BROKERS`, else the journal of this data folder.
 *
 * @throws FolderOwnedError when another process reads this journal.
 */
export const openEventLog = async (config: Config, log: Log): Promise<OpenedLog> => {
  const access = kafkaAccess(config, 'ingest')
  if (access !== null) return await openKafkaLog(config, access, log)
  const source = await openJournalSource({
    dir: join(config.dataDir, 'journal'),
    consumers: consumersOf(config),
    now: Date.now,
    log: (sentence) => log.warn(sentence),
  })
  return { sourceOf: () => source, deadLetters: null, trouble: () => null, close: () => source.close() }
}
