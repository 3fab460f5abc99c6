import { join } from 'node:path'
import type { Config } from '../core/config.js'
import type { EventLog } from '../ingest/consume.js'
import { openDeadLetters, type DeadLetters } from '../ingest/dead-letters.js'
import { consumersOf, storeConsumer } from '../ingest/main.js'
import { kafkaDeadLetters } from '../ingest/kafka-dead-letters.js'
import { kafkaAccess } from '../journal/kafka/access.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { openKafkaSource, type KafkaSource } from '../journal/kafka/kafka-source.js'
import { deadTopic, eventsTopic } from '../journal/kafka/topics.js'
import { whyOf } from '../journal/kafka/why.js'
import { openJournalSource } from '../journal/source.js'
import type { Log } from './log.js'

/** Where ingest and the trace destinations read calls from. */
export interface OpenedLog {
  readonly sourceOf: (consumer: string) => EventLog
  /** `null` = those of the data folder. */
  readonly deadLetters: DeadLetters | null
  /** Messages of the topic that a consumer has not committed, by partition; `null` = the log is a journal. */
  readonly lags: ((consumer: string) => ReadonlyMap<number, number>) | null
  close(): Promise<void>
}

const groupOf = (consumer: string): string => `weir.${consumer}`
/** Who reads the topic into the store. */
export const storeGroup = groupOf(storeConsumer)
const none: ReadonlyMap<number, number> = new Map()

/** Another process may do better: a role ends by what nobody catches, and its supervisor starts it anew. */
export const endProcess = (cause: Error): never => {
  throw new Error('The Kafka consumer could not be brought back to life.', { cause })
}

/** A source that may come later: until then it has no partitions. */
const lateSource = (source: () => KafkaSource | null, trouble: () => string | null): EventLog => {
  let since: number | null = null
  const there = (partition: string): KafkaSource => {
    const found = source()
    if (found === null) throw new RangeError(`${partition} cannot be read yet.`)
    return found
  }
  return {
    partitions: () => source()?.partitions() ?? Promise.resolve([]),
    read: async (partition, ...rest) => await there(partition).read(partition, ...rest),
    progress: async (partition, consumer) => await there(partition).progress(partition, consumer),
    plan: async (partition, ...rest) => await there(partition).plan(partition, ...rest),
    commit: async (partition, ...rest) => await there(partition).commit(partition, ...rest),
    gaps: async (partition) => await there(partition).gaps(partition),
    lagBytes: (consumer) => source()?.lagBytes(consumer) ?? Promise.resolve(0),
    get trouble() {
      const message = source() === null ? trouble() : (source()?.trouble ?? null)
      since = message === null ? null : (since ?? Date.now())
      return message === null || since === null ? null : { message, sinceMs: since }
    },
    close: () => source()?.close() ?? Promise.resolve(),
  }
}

/** Asks for the topics for as long as it takes, beside everything else: pages and questions need no broker. */
const openKafkaLog = async (
  config: Config,
  access: NonNullable<ReturnType<typeof kafkaAccess>>,
  log: Log,
): Promise<OpenedLog> => {
  const [events, dead] = [eventsTopic(config.kafka.topic), deadTopic(config.kafka.topic)]
  const complain = (sentence: string): void => log.warn(sentence)
  const link = kafkajsLink({
    access,
    complain,
    onDead: endProcess,
  })
  const sources = new Map<string, KafkaSource>()
  const closing = new AbortController()
  let trouble: string | null = null
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        closing.signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      closing.signal.addEventListener('abort', done)
    })
  const open = async (): Promise<void> => {
    for (let waitMs = 250; !closing.signal.aborted; waitMs = Math.min(waitMs * 2, 15_000)) {
      try {
        await link.ensure([events, dead])
        break
      } catch (cause) {
        const told = whyOf(cause)
        if (told !== trouble) log.warn(`Kafka gives no events, and is asked again until it does. ${told}`)
        trouble = told
        await pause(waitMs)
      }
    }
    if (closing.signal.aborted) return
    trouble = null
    for (const consumer of consumersOf(config))
      sources.set(consumer, openKafkaSource({ link, topic: events.topic, group: groupOf(consumer), log: complain }))
  }
  const opening = open()
  const late = new Map(
    consumersOf(config).map((consumer) => [
      consumer,
      lateSource(
        () => sources.get(consumer) ?? null,
        () => trouble,
      ),
    ]),
  )
  return {
    sourceOf: (consumer) => {
      const source = late.get(consumer)
      if (source === undefined) throw new RangeError(`No group reads for "${consumer}".`)
      return source
    },
    deadLetters: kafkaDeadLetters({
      link,
      topic: dead.topic,
      isThere: () => sources.size > 0,
      beside: await openDeadLetters({ dir: join(config.dataDir, 'dlq'), limitBytes: null, now: Date.now }),
      now: Date.now,
    }),
    lags: (consumer) => sources.get(consumer)?.lags ?? none,
    async close() {
      closing.abort()
      await opening
      await link.close()
    },
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
  return { sourceOf: () => source, deadLetters: null, lags: null, close: () => source.close() }
}
