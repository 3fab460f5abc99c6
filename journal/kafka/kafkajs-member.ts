import type { Consumer, Kafka } from 'kafkajs'
import { Arrivals } from './arrivals.js'
import type { GroupOffset, KafkaMember, PlacedMessage } from './port.js'

/** Of messages that came and are not committed: above it nothing more is fetched, below half of it fetching goes on. */
const heldBytes = 32 * 1024 * 1024
/** A client that neither fetched nor beat for so long is replaced: kafkajs may stop in silence (servers.md). */
const silenceMs = 60_000
const watchMs = 5000
/** So many replacements in this time, and a new process is wanted. */
const replacements = { most: 3, withinMs: 600_000 }
const leaveMs = 5000
const firstWaitMs = 250
const longestWaitMs = 15_000

interface Options {
  readonly kafka: Kafka
  readonly group: string
  readonly topic: string
  readonly position: (partition: number) => Promise<GroupOffset>
  readonly complain: (sentence: string) => void
  /** Three clients in ten minutes did not help. */
  readonly onDead: (cause: Error) => void
  readonly now?: () => number
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

const headersOf = (headers: Readonly<Record<string, unknown>> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))

/**
 * A member of a consumer group that hands out what came when asked. Offsets are committed by `commit` alone; what came waits in memory
 * until then, at most 32 MiB of it.
 */
export const kafkajsMember = (options: Options): KafkaMember => {
  const { kafka, group, topic, position, complain, onDead, now = Date.now } = options
  const arrivals = new Arrivals()
  let assigned: readonly number[] = []
  let generation = 0
  let paused = false
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
  const throttle = (): void => {
    if (paused || arrivals.bytes < heldBytes) return
    paused = true
    consumer?.pause([{ topic }])
  }
  const release = (): void => {
    if (!paused || arrivals.bytes > heldBytes / 2) return
    paused = false
    consumer?.resume([{ topic }])
  }

  /** A client that joins the group and takes what comes. `fail` is told why it reads no more. */
  const make = (fail: (cause: Error) => void): Consumer => {
    const made = kafka.consumer({
      groupId: group,
      allowAutoTopicCreation: false,
      sessionTimeout: 30_000,
      rebalanceTimeout: 60_000,
      heartbeatInterval: 3000,
      maxBytesPerPartition: 4 * 1024 * 1024,
      maxBytes: 16 * 1024 * 1024,
      maxWaitTimeInMs: 500,
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
      arrivals.clear()
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
        arrivals.add(
          batch.partition,
          batch.messages.map(({ offset, value, headers, timestamp }): PlacedMessage => ({
            offset: Number(offset),
            value: value ?? Buffer.alloc(0),
            headers: headersOf(headers),
            timestampMs: Number(timestamp),
          })),
        )
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
      arrivals.clear()
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
      trouble = cause.message
      complain(`The Kafka consumer ${group} is replaced: ${cause.message}`)
      // A broker that cannot be reached is no fault of the client's.
      if (begun) {
        replacedAt.push(now())
        if (replacedAt.filter((at) => now() - at < replacements.withinMs).length > replacements.most) return onDead(cause)
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
    position,
    async commit(partition, offset, metadata) {
      if (!assigned.includes(partition)) throw new Error(`Partition ${partition} of ${topic} is read by another member by now.`)
      await consumer?.commitOffsets([{ topic, partition, offset: String(offset), metadata }])
      arrivals.passed(partition, offset)
      release()
    },
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
