import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { openKafkaSource, type KafkaSource } from '../journal/kafka/kafka-source.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import type { KafkaLink } from '../journal/kafka/port.js'
import { shipperConsumer, startShipper, type Shipper, type Undeliverable } from '../journal/kafka/shipper.js'
import { openJournal } from '../journal/open.js'
import type { JournalWriter, SourceRecord } from '../journal/port.js'
import { openJournalSource, type JournalSource } from '../journal/source.js'
import { append, testFolder } from '../journal/testing.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { until } from './support/wait.js'

const partitions = 3
const ids = (from: number, n: number): string[] => Array.from({ length: n }, (_, i) => `call-${from + i}`)
const idOf = ({ payload }: SourceRecord): string => decodeExchange(payload).id

describe.skipIf(kafkaJars === null)('from the journal through a real Kafka (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ dir })
  }, 120_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const open = (): KafkaLink => {
    const link = kafkajsLink({
      access: { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' },
      complain: () => undefined,
    })
    onTestFinished(() => link.close())
    return link
  }

  interface Shipping {
    readonly shipper: Shipper
    readonly source: JournalSource
    /** Stops without waiting for anything that is on its way. */
    drop(): Promise<void>
  }
  const shipping = async (
    journalDir: string,
    topic: string,
    link: KafkaLink,
    letters: Undeliverable[] = [],
  ): Promise<Shipping> => {
    await link.ensure([{ topic, partitions, retentionMs: 3_600_000 }])
    const source = await openJournalSource({ dir: journalDir, consumers: [shipperConsumer], upkeepMs: 3_600_000 })
    const shipper = startShipper({
      source,
      link,
      topic,
      partitions,
      maxMessageBytes: 1_000_000,
      setAside: (letter) => {
        letters.push(letter)
        return Promise.resolve()
      },
      now: Date.now,
      random: Math.random,
      onFault: () => undefined,
    })
    let dropped = false
    const drop = async (): Promise<void> => {
      if (dropped) return
      dropped = true
      await shipper.stop(0)
      await source.close()
    }
    onTestFinished(drop)
    return { shipper, source, drop }
  }

  const writing = async (journalDir: string): Promise<JournalWriter> => {
    const journal = await openJournal({ dir: journalDir, durability: 'off', limitBytes: 1024 ** 3, now: Date.now })
    onTestFinished(() => journal.close())
    return journal
  }

  const reading = async (topic: string, group = topic): Promise<KafkaSource> => {
    const source = openKafkaSource({ link: open(), topic, group })
    onTestFinished(() => source.close())
    await until('partitions', async () => (await source.partitions()).length === partitions, { timeoutMs: 60_000 })
    return source
  }

  /** Everything a group can read of a topic, by partition, until `n` records are there. */
  const all = (source: KafkaSource, n: number): Promise<ReadonlyMap<string, readonly SourceRecord[]>> =>
    until(
      `${n} records`,
      async () => {
        const found = new Map<string, readonly SourceRecord[]>()
        let count = 0
        for (const partition of await source.partitions()) {
          const records = await source.read(partition, 0, 100_000, 1e9)
          found.set(partition, records)
          count += records.length
        }
        return count >= n ? found : null
      },
      { timeoutMs: 60_000 },
    )

  test('what the journal holds lies in the topic, once, unchanged, the calls of a session in one partition', async () => {
    const journalDir = testFolder()
    const journal = await writing(journalDir)
    for (const id of ids(0, 300)) {
      await append(journal, 'start', id)
      await append(journal, 'end', id, { body: id })
    }
    const { shipper, source } = await shipping(journalDir, 'ships', open())
    await until('shipped', () => shipper.state.events === 300)
    const kafkaSource = await reading('ships')
    const found = [...(await all(kafkaSource, 300)).values()].flat()
    expect(found.map(idOf).sort()).toEqual(ids(0, 300).sort())
    expect(
      found.every(
        ({ doubt, payload }) => !doubt && decodeExchange(payload).reqBody?.bytes.toString() === decodeExchange(payload).id,
      ),
    ).toBe(true)
    expect((await source.progress(journal.writer, shipperConsumer)).planned).toBeNull()
    expect(await source.lagBytes(shipperConsumer)).toBe(0)
    expect(await kafkaSource.lagBytes('')).toBeGreaterThan(0)
  }, 90_000)

  test('an event that is too long loses of its bodies and says so; its head stays whole', async () => {
    const journalDir = testFolder()
    const journal = await writing(journalDir)
    await append(journal, 'end', 'long', { body: randomBytes(2_000_000).toString('latin1') })
    await append(journal, 'end', 'short', { body: 'short' })
    const { shipper } = await shipping(journalDir, 'long-events', open())
    await until('shipped', () => shipper.state.events === 2)
    const records = [...(await all(await reading('long-events'), 2)).values()].flat()
    const long = decodeExchange(records.find((record) => idOf(record) === 'long')?.payload as Buffer)
    expect(long.notes).toEqual(['kafka_limit'])
    expect(long.reqBody?.truncated).toBe(true)
    expect(long.reqBody?.bytes.length).toBeGreaterThan(900_000)
    expect(long.reqBody?.bytes.length).toBeLessThan(1_000_000)
    expect(decodeExchange(records.find((record) => idOf(record) === 'short')?.payload as Buffer).notes).toEqual([])
  }, 60_000)

  test('a shipper that ends between sending and noting sends again, in doubt; nothing is missing', async () => {
    const journalDir = testFolder()
    const journal = await writing(journalDir)
    for (const id of ids(0, 50)) await append(journal, 'end', id)
    const link = open()
    await link.ensure([{ topic: 'doubts', partitions, retentionMs: 3_600_000 }])
    const source = await openJournalSource({ dir: journalDir, consumers: [shipperConsumer], upkeepMs: 3_600_000 })
    // What a shipper leaves that was killed after its send: the plan, and the first 30 in the topic.
    const records = await source.read(journal.writer, 0, 30, 1e9)
    await source.plan(journal.writer, shipperConsumer, { first: records[0]?.at ?? 0, last: records.at(-1)?.at ?? 0 })
    await source.close()
    const { shipper } = await shipping(journalDir, 'doubts', link)
    await until('shipped', () => shipper.state.events === 50)
    const found = [...(await all(await reading('doubts'), 50)).values()].flat()
    expect(
      found
        .filter(({ doubt }) => doubt)
        .map(idOf)
        .sort(),
    ).toEqual(ids(0, 30).sort())
    expect(found.map(idOf).sort()).toEqual(ids(0, 50).sort())
  }, 90_000)

  test('the broker is killed in mid-stream: the journal holds what it did not take, each event is there after', async () => {
    const journalDir = testFolder()
    const journal = await writing(journalDir)
    const { shipper, source } = await shipping(journalDir, 'outage', open())
    for (const id of ids(0, 500)) await append(journal, 'end', id)
    const [node] = kafka.nodes
    await node?.kill()
    for (const id of ids(500, 500)) await append(journal, 'end', id)
    await until('trouble is told', () => shipper.state.trouble !== null, { timeoutMs: 60_000 })
    expect(await source.lagBytes(shipperConsumer)).toBeGreaterThan(0)
    await node?.start()
    await until('caught up', async () => shipper.state.trouble === null && (await source.lagBytes(shipperConsumer)) === 0, {
      timeoutMs: 90_000,
    })
    const found = [...(await all(await reading('outage'), 1000)).values()].flat()
    expect([...new Set(found.map(idOf))].sort()).toEqual(ids(0, 1000).sort())
    // Twice at most where it was in doubt.
    const twice = found.map(idOf).filter((id, i, every) => every.indexOf(id) !== i)
    const doubted = new Set(found.filter(({ doubt }) => doubt).map(idOf))
    expect(twice.filter((id) => !doubted.has(id))).toEqual([])
  }, 240_000)
})
