import type { Batch, Consumer, Kafka } from 'kafkajs'
import { PartitionMoved } from '../port.js'
import { Arrivals } from './arrivals.js'
import type { GroupOffset, KafkaMember, PlacedMessage } from './port.js'
import { whyOf } from './why.js'

interface Bounds {
  /** Of messages that came and are not committed: above it nothing more is fetched, below half of it fetching goes on. */
  readonly heldBytes: number
  /** A client that neither fetched nor beat for so long is replaced: kafkajs may stop in silence (servers.md). */
  readonly silenceMs: number
  readonly watchMs: number
}

const usual: Bounds = { heldBytes: 32 * 1024 * 1024, silenceMs: 60_000, watchMs: 5000 }
/** The last of so many replacements in this time is the process's end: a new one may do better. */
const replacements = { most: 3, withinMs: 600_000 }
const leaveMs = 5000
const firstWaitMs = 250
/** A broker that comes back after a while has a backlog for us: it is looked for often. */
const longestWaitMs = 5000

interface Options {
  readonly kafka: Kafka
  readonly group: string
  readonly topic: string
  readonly position: (partition: number) => Promise<GroupOffset>
  readonly complain: (sentence: string) => void
  /** Three clients in ten minutes did not help. */
  readonly onDead: (cause: Error) => void
  readonly now?: () => number
  readonly bounds?: Bounds
}

/** Told by their names, as kafkajs nests one in another: the brokers are at fault, and a new client will find them so, too. */
const brokerFaults = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSSASLAuthenticationError',
])
const isBrokerFault = (cause: unknown): boolean => {
  if (!(cause instanceof Error)) return false
  const { retriable, type } = cause as { retriable?: unknown; type?: unknown }
  return brokerFaults.has(cause.name) || (retriable === true && typeof type === 'string') || isBrokerFault(cause.cause)
}

const within = (ms: number, work: Promise<unknown>): Promise<unknown> =>
  Promise.race([work.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, ms).unref())])

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const deferred = <T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } => {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** What kafkajs does not tell in its types: the offset a batch was asked for from. */
const askedFrom = (batch: Batch): number => Number((batch as Batch & { readonly fetchedOffset: string }).fetchedOffset)

const headersOf = (headers: Readonly<Record<string, unknown>> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))

/**
 * A member of a consumer group that hands out what came when asked. Offsets are committed by `commit` alone; what came waits in memory
 * until then, at most 32 MiB of it.
 */
export const kafkajsMember = (options: Options): KafkaMember => {
  const { kafka, group, topic, position, complain, onDead, now = Date.now, bounds = usual } = options
  const { heldBytes, silenceMs, watchMs } = bounds
  const arrivals = new Arrivals()
  let assigned: readonly number[] = []
  let generation = 0
  let paused = false
  /** Wanted up to an offset, also when the memory is full of others. */
  const wanted = new Map<number, number>()
  /** A hole in what comes is asked for once more; when it comes again there is nothing in it. */
  const holes = new Map<number, string>()
  const ending = new AbortController()
  let trouble: string | null = null
  let lifeSignAt = now()
  let wake: (() => void) | null = null
  let consumer: Consumer | null = null
  let failCurrent: (cause: Error) => void = () => undefined
  const replacedAt: number[] = []

  const tell = (): void => {
    wake?.()
    wake = null
  }
  const lacks = (partition: number): boolean => (wanted.get(partition) ?? 0) > (arrivals.next(partition) ?? 0)
  const throttle = (): void => {
    if (arrivals.bytes < heldBytes) return
    paused = true
    const partitions = assigned.filter((partition) => !lacks(partition))
    if (partitions.length > 0) consumer?.pause([{ topic, partitions }])
  }
  const release = (): void => {
    if (!paused || arrivals.bytes > heldBytes / 2) return
    paused = false
    consumer?.resume([{ topic }])
  }
  const passed = (partition: number, offset: number): void => {
    arrivals.passed(partition, offset)
    release()
  }
  const forget = (): void => {
    arrivals.clear()
    wanted.clear()
    holes.clear()
  }

  /** A client that joins the group and takes what comes. `fail` is told why it reads no more. */
  const make = (fail: (cause: Error) => void): Consumer => {
    const made = kafka.consumer({
      groupId: group,
      allowAutoTopicCreation: false,
      sessionTimeout: 15_000,
      rebalanceTimeout: 60_000,
      heartbeatInterval: 3000,
      maxBytesPerPartition: 4 * 1024 * 1024,
      maxBytes: 16 * 1024 * 1024,
      maxWaitTimeInMs: 1000,
      // Partitions that are added have a reader after so long.
      metadataMaxAge: 10_000,
      // It is replaced by us: its own restarts end without a word now and then.
      retry: { retries: 5, restartOnFailure: () => Promise.resolve(false) },
    })
    const { events } = made
    const alive = (): void => {
      if (made !== consumer) return
      lifeSignAt = now()
      trouble = null
    }
    made.on(events.FETCH, alive)
    made.on(events.HEARTBEAT, alive)
    made.on(events.GROUP_JOIN, ({ payload }) => {
      if (made !== consumer) return
      alive()
      assigned = [...(payload.memberAssignment[topic] ?? [])].sort((x, y) => x - y)
      generation++
      forget()
      // kafkajs keeps what is paused over a rebalance.
      made.resume([{ topic }])
      paused = false
      tell()
    })
    made.on(events.REBALANCING, () => {
      if (made === consumer) assigned = []
    })
    made.on(events.CRASH, ({ payload }) => fail(payload.error))
    return made
  }

  const begin = async (made: Consumer): Promise<void> => {
    await made.connect()
    await made.subscribe({ topic, fromBeginning: true })
    await made.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: async ({ batch, resolveOffset, heartbeat, isStale }) => {
        if (made !== consumer || isStale()) return
        const { partition } = batch
        const last = Number(batch.lastOffset())
        const arrival = {
          from: askedFrom(batch),
          next: last + 1,
          messages: batch.messages.map(({ offset, value, headers, timestamp }): PlacedMessage => ({
            offset: Number(offset),
            value: value ?? Buffer.alloc(0),
            headers: headersOf(headers),
            timestampMs: Number(timestamp),
          })),
        }
        if (!arrivals.add(partition, arrival)) {
          const next = arrivals.next(partition) ?? 0
          const hole = `${next}-${arrival.from}`
          if (holes.get(partition) !== hole) {
            holes.set(partition, hole)
            return made.seek({ topic, partition, offset: String(next) })
          }
          complain(`${topic}/${partition}: nothing lies from ${next} to ${arrival.from} any more; it is passed over.`)
          arrivals.skipTo(partition, arrival.from)
          arrivals.add(partition, arrival)
        }
        resolveOffset(batch.lastOffset())
        throttle()
        tell()
        await heartbeat()
      },
    })
  }

  /** One client after the other, for as long as it takes: a broker that is away comes back. */
  const live = async (): Promise<void> => {
    let waitMs = firstWaitMs
    while (!ending.signal.aborted) {
      const { promise: failure, resolve: fail } = deferred<Error>()
      failCurrent = fail
      const made = make(fail)
      consumer = made
      assigned = []
      forget()
      lifeSignAt = now()
      let begun = false
      begin(made).then(
        () => {
          begun = true
          waitMs = firstWaitMs
        },
        (cause: unknown) => fail(cause instanceof Error ? cause : new Error(String(cause))),
      )
      const cause = await failure
      await within(leaveMs, made.disconnect())
      if (ending.signal.aborted) return
      assigned = []
      trouble = whyOf(cause)
      complain(`The Kafka consumer ${group} is replaced: ${trouble}`)
      if (begun && !isBrokerFault(cause)) {
        replacedAt.push(now())
        if (replacedAt.filter((at) => now() - at < replacements.withinMs).length >= replacements.most) return onDead(cause)
      }
      await pause(waitMs)
      waitMs = Math.min(waitMs * 2, longestWaitMs)
    }
  }

  const living = live()
  const watch = setInterval(() => {
    if (now() - lifeSignAt > silenceMs) failCurrent(new Error(`no sign of life for ${silenceMs / 1000} s`))
  }, watchMs).unref()

  return {
    assigned: () => assigned,
    generation: () => generation,
    read(partition, from, max, maxBytes) {
      if (arrivals.isBehind(partition, from)) {
        arrivals.restart(partition, from)
        consumer?.seek({ topic, partition, offset: String(from) })
        return []
      }
      return arrivals.read(partition, from, max, maxBytes)
    },
    arrived(partition, upTo) {
      wanted.set(partition, upTo)
      if (!lacks(partition)) return true
      if (paused) consumer?.resume([{ topic, partitions: [partition] }])
      return false
    },
    position,
    async commit(partition, offset, metadata) {
      if (consumer === null || !assigned.includes(partition)) throw new PartitionMoved(`${topic}/${partition}`)
      await consumer.commitOffsets([{ topic, partition, offset: String(offset), metadata }])
      passed(partition, offset)
    },
    passed,
    wait: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(done, ms)
        function done(): void {
          clearTimeout(timer)
          if (wake === done) wake = null
          resolve()
        }
        wake?.()
        wake = done
      }),
    get trouble() {
      return trouble
    },
    async close() {
      ending.abort()
      clearInterval(watch)
      tell()
      failCurrent(new Error('closed'))
      await within(2 * leaveMs, living)
    },
  }
}
