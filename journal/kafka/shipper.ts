import type { Gap, Plan, SourceRecord } from '../port.js'
import type { JournalSource } from '../source.js'
import { fitEvent, withoutBodies } from './fit-event.js'
import { BrokerRefusal, NoSuchPartition, type KafkaLink, type KafkaMessage, type KafkaProducer } from './port.js'
import { eventMessage, gapMessage, type Origin } from './topic-message.js'
import { whyOf } from './why.js'

/** Name of its position in each writer's folder: `shipper.pos`. */
export const shipperConsumer = 'shipper'

export interface ShipperState {
  /** Bytes of the journal that the broker has not acknowledged. */
  readonly lagBytes: number
  /** Since when everything that was written has been acknowledged; 0 when nothing waits. */
  readonly lagSeconds: number
  readonly events: number
  /** Sent again because an answer was missing. */
  readonly resent: number
  readonly deadLetters: number
  /** Since when, and why, nothing is sent; `null` = it is. */
  readonly trouble: { readonly message: string; readonly sinceMs: number } | null
}

/** An event that no broker takes, to be kept on this machine. */
export interface Undeliverable {
  readonly origin: Origin
  readonly payload: Buffer
  readonly error: string
}

interface Options {
  readonly source: JournalSource
  readonly link: KafkaLink
  readonly topic: string
  /** Of the topic. */
  readonly partitions: number
  /** Makes the topic anew where it is gone, and tells how many partitions it has. Without, it is taken to stay as it is. */
  readonly ensure?: () => Promise<number>
  /** Of one send, uncompressed. */
  readonly maxMessageBytes: number
  /** Durable before it resolves. */
  readonly setAside: (letter: Undeliverable) => Promise<void>
  readonly now: () => number
  readonly random: () => number
  readonly onFault: (sentence: string, cause: unknown) => void
}

export interface Shipper {
  readonly state: ShipperState
  /** Sends what is there, for at most `ms`; what remains is sent after the next start. */
  stop(ms: number): Promise<void>
}

const chunk = { records: 2000, bytes: 8 * 1024 * 1024 }
/** What a message costs beside its key, value and headers; and what a whole of them does. */
const overheadBytes = 64
const idleMs = 1000
/**
 * From one reading of the journal to the next, while there is little: each costs two positions on disk and a send to every partition,
 * whatever it finds.
 */
const gatherMs = 250
const firstWaitMs = 250
const longestWaitMs = 15_000

interface Bundle {
  readonly partition: number
  readonly messages: KafkaMessage[]
  bytes: number
  /** Sent before without an answer: it may lie there already. */
  doubtful: boolean
}

const headBytesOf = ({ key, headers }: KafkaMessage): number => {
  let bytes = overheadBytes + Buffer.byteLength(key)
  for (const [name, text] of Object.entries(headers)) bytes += name.length + Buffer.byteLength(text) + 4
  return bytes
}
const bytesOf = (message: KafkaMessage): number => headBytesOf(message) + message.value.length
const inDoubt = (message: KafkaMessage): KafkaMessage => ({ ...message, headers: { ...message.headers, doubt: '1' } })

/**
 * Sends the ends of a journal to Kafka, in the order of each writer (storage.md §2). The journal is the buffer: a position moves once the
 * broker has acknowledged everything before it. What was sent without an answer is sent again, marked as doubtful.
 */
export const startShipper = (options: Options): Shipper => {
  const { source, link, topic, maxMessageBytes, setAside, now, random, onFault } = options
  const { ensure = () => Promise.resolve(options.partitions) } = options
  let { partitions } = options
  const halt = new AbortController()
  const draining = new AbortController()
  let producer: KafkaProducer | null = null
  let events = 0
  let resent = 0
  let deadLetters = 0
  let lagBytes = 0
  /** What was written before this moment is acknowledged. */
  let clearAsOf = now()
  let trouble: ShipperState['trouble'] = null
  let failures = 0

  const pause = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done, { once: true })
      function done(): void {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
    })

  const letGo = async (): Promise<void> => {
    const old = producer
    producer = null
    await old?.close().catch(() => undefined)
  }

  /** Nobody takes it as it is: without its bodies, or it stays here. */
  const sendBare = async (partition: number, message: KafkaMessage, refusal: BrokerRefusal): Promise<void> => {
    const bare = message.headers.t === 'end' ? { ...message, value: withoutBodies(message.value) } : message
    try {
      if (bare.value.length >= message.value.length) throw refusal
      await letGo()
      producer = await link.producer()
      await producer.send(topic, partition, [bare])
      events++
    } catch (cause) {
      if (!(cause instanceof BrokerRefusal)) throw cause
      const origin = { writer: message.headers.writer ?? '', at: Number(message.headers.at) }
      await setAside({ origin, payload: message.value, error: cause.message })
      deadLetters++
      await letGo()
    }
  }

  const sendOnce = async ({ partition, messages, doubtful }: Bundle): Promise<void> => {
    const marked = doubtful ? messages.map(inDoubt) : messages
    if (doubtful) resent += marked.length
    producer ??= await link.producer()
    try {
      await producer.send(topic, partition, marked)
      events += marked.length
    } catch (cause) {
      if (!(cause instanceof BrokerRefusal)) throw cause
      await letGo()
      const [only] = marked
      if (marked.length === 1 && only !== undefined) return await sendBare(partition, only, cause)
      // One of them is at fault: each alone.
      for (const message of marked) await sendOnce({ partition, messages: [message], bytes: bytesOf(message), doubtful: false })
    }
  }

  /** Goes on until the broker has it. */
  const send = async (bundle: Bundle): Promise<void> => {
    for (;;) {
      try {
        await sendOnce(bundle)
        failures = 0
        trouble = null
        return
      } catch (cause) {
        bundle.doubtful = true
        await letGo()
        failed('Kafka does not take events; they wait in the journal.', cause)
        await pause(backOff(), halt.signal)
        halt.signal.throwIfAborted()
        if (cause instanceof NoSuchPartition) await findTopic(cause)
      }
    }
  }

  /** @throws the cause when the topic has another number of partitions now: what was begun is read and spread anew. */
  const findTopic = async (cause: NoSuchPartition): Promise<void> => {
    const found = await ensure().catch(() => partitions)
    if (found === partitions) return
    partitions = found
    throw cause
  }

  const failed = (sentence: string, cause: unknown): void => {
    failures++
    if (trouble === null) onFault(sentence, cause)
    trouble = { message: whyOf(cause), sinceMs: trouble?.sinceMs ?? now() }
  }
  const backOff = (): number => random() * Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 10))

  const bundled = (messages: readonly KafkaMessage[], doubtful: boolean): Bundle[] => {
    const open = new Map<number, Bundle>()
    const all: Bundle[] = []
    for (const message of messages) {
      const partition = link.partitionOf(message.key, partitions)
      const size = bytesOf(message)
      let bundle = open.get(partition)
      if (bundle === undefined || bundle.bytes + size > maxMessageBytes - overheadBytes) {
        bundle = { partition, messages: [], bytes: 0, doubtful }
        open.set(partition, bundle)
        all.push(bundle)
      }
      bundle.messages.push(message)
      bundle.bytes += size
    }
    return all
  }

  const messageOf = async (record: SourceRecord, writer: string, doubt: boolean): Promise<KafkaMessage | null> => {
    try {
      const message = eventMessage(record.payload, { writer, at: record.at }, doubt || record.doubt)
      return { ...message, value: fitEvent(message.value, maxMessageBytes - overheadBytes - headBytesOf(message)) }
    } catch (cause) {
      // Not readable by this Weir: it would not be by ingest, either.
      const error = cause instanceof Error ? cause.message : String(cause)
      await setAside({ origin: { writer, at: record.at }, payload: record.payload, error })
      deadLetters++
      return null
    }
  }

  const ship = async (writer: string, records: readonly SourceRecord[], gaps: readonly Gap[], doubt: boolean): Promise<void> => {
    const messages: KafkaMessage[] = []
    for (const record of records) {
      const message = await messageOf(record, writer, doubt)
      if (message !== null) messages.push(message)
    }
    for (const gap of gaps) messages.push(gapMessage(gap, writer))
    for (const bundle of bundled(messages, doubt)) await send(bundle)
  }

  /** What an earlier life had sent and not seen acknowledged: the same records, as doubtful. */
  const resume = async (writer: string, from: number, planned: Plan): Promise<number> => {
    let at = from
    for (;;) {
      const read = await source.read(writer, at, chunk.records, chunk.bytes)
      const records = read.filter((record) => record.at <= planned.last)
      if (records.length === 0) break
      at = (records.at(-1) as SourceRecord).next
      await ship(writer, records, [], true)
      if (records.length < read.length) break
    }
    const gaps = (await source.gaps(writer)).filter((gap) => gap.at < at)
    await ship(writer, [], gaps, true)
    // Only now: a plan stands until all of it is there.
    await source.commit(writer, shipperConsumer, at)
    return at
  }

  const positions = new Map<string, number>()
  /** @returns whether more may be waiting. */
  const takeTurn = async (writer: string): Promise<boolean> => {
    let from = positions.get(writer)
    if (from === undefined) {
      const { committed, planned } = await source.progress(writer, shipperConsumer)
      from = planned === null ? committed : await resume(writer, committed, planned)
      positions.set(writer, from)
    }
    const records = await source.read(writer, from, chunk.records, chunk.bytes)
    const last = records.at(-1)
    const end = last?.next ?? Number.POSITIVE_INFINITY
    const gaps = (await source.gaps(writer)).filter((gap) => gap.at < end)
    if (last === undefined && gaps.length === 0) return false
    const next = Math.max(last?.next ?? 0, ...gaps.map((gap) => gap.next))
    if (last !== undefined) await source.plan(writer, shipperConsumer, { first: (records[0] as SourceRecord).at, last: last.at })
    await ship(writer, records, gaps, false)
    await source.commit(writer, shipperConsumer, next)
    positions.set(writer, next)
    return records.length === chunk.records
  }

  const round = async (): Promise<boolean> => {
    const writers = await source.partitions()
    for (const known of positions.keys()) if (!writers.includes(known)) positions.delete(known)
    let more = false
    for (const writer of writers) {
      halt.signal.throwIfAborted()
      more = (await takeTurn(writer)) || more
    }
    lagBytes = await source.lagBytes(shipperConsumer)
    return more
  }

  const run = async (): Promise<void> => {
    while (!halt.signal.aborted) {
      const isLast = draining.signal.aborted
      const begunAt = now()
      const begun = performance.now()
      try {
        const more = await round()
        if (!more) clearAsOf = begunAt
        if (isLast && !more) return
        if (!more) await pause(begun + gatherMs - performance.now(), draining.signal)
        if (!more && !draining.signal.aborted) await source.wait(shipperConsumer, idleMs)
      } catch (cause) {
        if (halt.signal.aborted) return
        positions.clear()
        if (cause instanceof NoSuchPartition) continue
        failed('Reading the journal failed; trying again.', cause)
        await pause(backOff(), halt.signal)
      }
    }
  }

  const measure = setInterval(() => {
    source.lagBytes(shipperConsumer).then(
      (bytes) => (lagBytes = bytes),
      () => undefined,
    )
  }, 1000).unref()
  const running = run()
  return {
    get state() {
      const lagSeconds = lagBytes === 0 ? 0 : Math.max(0, now() - clearAsOf) / 1000
      return { lagBytes, lagSeconds, events, resent, deadLetters, trouble }
    },
    async stop(ms) {
      draining.abort()
      const deadline = setTimeout(() => halt.abort(), ms)
      await running
      clearTimeout(deadline)
      halt.abort()
      clearInterval(measure)
      await letGo()
    },
  }
}
