import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { kafkaClient, type KafkaAccess } from '../journal/kafka/client.js'
import { openKafkaSource } from '../journal/kafka/kafka-source.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { shipperConsumer, startShipper } from '../journal/kafka/shipper.js'
import { openJournal } from '../journal/open.js'
import { openJournalSource } from '../journal/source.js'
import { append, testFolder } from '../journal/testing.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { until } from './support/wait.js'

// Three brokers; the leader of a partition under load is killed with kill -9 and started again, round after round. A single broker
// never shows what kafkajs loses then (docs/decisions/0070). WEIR_KAFKA_ROUNDS says how many rounds.

const rounds = Number(process.env.WEIR_KAFKA_ROUNDS ?? 3)
const perSecond = 400
const partitions = 6
const topic = 'failover'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const idOf = (n: number): string => `call-${String(n).padStart(9, '0')}`

interface Read {
  readonly id: string
  readonly doubt: boolean
}

interface Found {
  /** Appended to the journal and not in the topic. */
  readonly lost: number
  /** In the topic at more than one place. */
  readonly repeated: number
  /** Would be stored twice, though no message says that it is in doubt. */
  readonly double: number
  /** Lie before one that was appended earlier, and neither is in doubt. */
  readonly disordered: number
}

/** What ingest would make of the topic: one that is in doubt is left out where its id is known, any other is stored. */
const compare = (appended: number, records: ReadonlyMap<string, readonly Read[]>): Found => {
  const places = new Map<string, number>()
  let double = 0
  let disordered = 0
  for (const partition of records.values()) {
    let latest = ''
    for (const { id, doubt } of partition) {
      const before = places.get(id) ?? 0
      places.set(id, before + 1)
      if (doubt) continue
      if (before > 0) double++
      if (id < latest) disordered++
      latest = id
    }
  }
  let lost = 0
  for (let n = 0; n < appended; n++) if (!places.has(idOf(n))) lost++
  return { lost, repeated: [...places.values()].filter((n) => n > 1).length, double, disordered }
}

describe.skipIf(kafkaJars === null)('three brokers, the leader of a loaded partition killed (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  let access: KafkaAccess
  beforeAll(async () => {
    kafka = await startKafka({ dir, nodes: 3 })
    access = { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' }
  }, 180_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const openLink = () => {
    const link = kafkajsLink({ access, complain: () => undefined })
    onTestFinished(() => link.close())
    return link
  }

  interface Leadership {
    readonly partition: number
    readonly leader: number
    readonly inSync: number
  }
  const leadership = async (admin: Admin): Promise<readonly Leadership[]> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return (topics[0]?.partitions ?? []).map(({ partitionId, leader, isr }) => ({
      partition: partitionId,
      leader,
      inSync: isr.length,
    }))
  }

  test(
    `${rounds} rounds at ${perSecond} events/s: 0 lost, 0 doubled, each writer in order`,
    async () => {
      const link = openLink()
      const [facts] = await link.ensure([{ topic, partitions, retentionMs: 3_600_000 }])
      expect(facts).toMatchObject({ partitions, replicas: 3, minInsyncReplicas: 2 })
      const admin = kafkaClient(access, () => undefined).admin()
      await admin.connect()
      onTestFinished(() => admin.disconnect())
      const journalDir = testFolder()
      const journal = await openJournal({ dir: journalDir, durability: 'off', limitBytes: 1024 ** 3, now: Date.now })
      const source = await openJournalSource({ dir: journalDir, consumers: [shipperConsumer], upkeepMs: 3_600_000 })
      const letters: string[] = []
      const shipper = startShipper({
        source,
        link,
        topic,
        partitions,
        maxMessageBytes: 1_000_000,
        setAside: ({ error }) => Promise.resolve(void letters.push(error)),
        now: Date.now,
        random: Math.random,
        onFault: () => undefined,
      })
      onTestFinished(async () => {
        await shipper.stop(0)
        await source.close()
        await journal.close()
      })

      let appended = 0
      const enough = new AbortController()
      const load = (async () => {
        for (let at = performance.now(); !enough.signal.aborted; at += 25) {
          await Promise.all(
            Array.from({ length: perSecond / 40 }, () => append(journal, 'end', idOf(appended++), { body: 'x'.repeat(1000) })),
          )
          await sleep(Math.max(0, at + 25 - performance.now()))
        }
      })()

      let moved = 0
      for (let round = 0; round < rounds; round++) {
        const before = await until(
          'every partition is in sync on three brokers',
          async () => {
            const found = await leadership(admin)
            return found.length === partitions && found.every(({ inSync }) => inSync === 3) && found
          },
          { timeoutMs: 90_000, everyMs: 250 },
        )
        const shipped = shipper.state.events
        await until('events are shipped', () => shipper.state.events > shipped + perSecond, { timeoutMs: 90_000 })
        // Of those that were led by it, every one is loaded: ids spread over all partitions.
        const victim = (before[round % partitions] as Leadership).leader
        const node = kafka.nodes[victim - 1]
        await node?.kill()
        await until(
          'somebody else leads',
          async () => (await leadership(admin)).every(({ leader }) => leader !== victim && leader >= 0),
          { timeoutMs: 60_000, everyMs: 250 },
        )
        moved += before.filter(({ leader }) => leader === victim).length
        await sleep(1500)
        await node?.start()
      }
      await sleep(1000)
      enough.abort()
      await load
      await until('shipped', async () => shipper.state.trouble === null && (await source.lagBytes(shipperConsumer)) === 0, {
        timeoutMs: 90_000,
      })

      const reader = openKafkaSource({ link: openLink(), topic, group: 'failover' })
      onTestFinished(() => reader.close())
      const records = new Map<string, Read[]>()
      await until(
        'everything is read',
        async () => {
          for (const name of await reader.partitions()) {
            const { committed } = await reader.progress(name, '')
            const read = await reader.read(name, committed, 10_000, 1e9)
            const known = records.get(name) ?? []
            records.set(name, [...known, ...read.map(({ payload, doubt }) => ({ id: decodeExchange(payload).id, doubt }))])
            const last = read.at(-1)
            if (last !== undefined) await reader.commit(name, '', last.next)
          }
          return records.size === partitions && (await reader.lagBytes('')) === 0
        },
        { timeoutMs: 90_000 },
      )
      const found = compare(appended, records)
      console.log(
        `rounds ${rounds}, leaders moved ${moved}, appended ${appended}, lost ${found.lost}, repeated in doubt ${found.repeated}, double ${found.double}`,
      )
      expect({ ...found, repeated: 0 }).toEqual({ lost: 0, repeated: 0, double: 0, disordered: 0 })
      expect(letters).toEqual([])
      expect(moved).toBeGreaterThanOrEqual(rounds)
    },
    180_000 + rounds * 60_000,
  )
})
