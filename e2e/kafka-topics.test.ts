import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { uuidv7 } from '../core/ids.js'
import { exchange, payloadOf } from '../ingest/testing.js'
import { kafkaClient } from '../journal/kafka/client.js'
import { openKafkaSource } from '../journal/kafka/kafka-source.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { eventMessage } from '../journal/kafka/topic-message.js'
import type { Source } from '../journal/port.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { openHouse, providersAt } from './support/house.js'
import { until } from './support/wait.js'

// What people do to a topic while a whole Weir runs on it.

describe.skipIf(kafkaJars === null)('a topic that changes under a house (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  let fake: FakeProvider
  let admin: Admin
  let topics = 0
  /** A test that is tried again finds nothing of the try before. */
  const newTopic = (name: string): string => `${name}-${++topics}`
  const access = () => ({ brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' })
  beforeAll(async () => {
    kafka = await startKafka({ dir })
    fake = await startFakeProvider()
    admin = kafkaClient(access(), () => undefined).admin()
    await admin.connect()
  }, 120_000)
  afterAll(async () => {
    await admin?.disconnect()
    await fake?.close()
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const opened = async (topic: string) => {
    const house = await openHouse({
      yaml: `kafka: { topic: ${topic} }\n${providersAt(fake.origin, ['openai'])}`,
      env: { KAFKA_BROKERS: kafka.brokers },
    })
    onTestFinished(() => house.stop())
    const call = async (): Promise<string> => {
      const answer = await fetch(`${house.proxy}/openai/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
        body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }),
      })
      expect(answer.status).toBe(200)
      await answer.text()
      return answer.headers.get('weir-id') ?? ''
    }
    const calls = async (n: number): Promise<readonly string[]> => {
      const ids: string[] = []
      for (let i = 0; i < n; i++) ids.push(await call())
      return ids
    }
    const stored = async (ids: readonly string[]): Promise<void> => {
      for (const id of ids) expect((await house.row(id, 90_000)).id).toBe(id)
    }
    return { house, calls, stored }
  }

  test('deleted while calls come: it is made anew, and what the journal holds goes there, each call once', async () => {
    const topic = newTopic('deleted')
    const { house, calls, stored } = await opened(topic)
    const first = await calls(30)
    await stored(first)
    for (const partitions of [12, 3]) {
      await admin.deleteTopics({ topics: [topic] })
      // By others, otherwise than we would.
      if (partitions !== 12) await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions }] })
      const more = await calls(30)
      await stored(more)
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      expect(topics[0]?.partitions).toHaveLength(partitions)
    }
    const sums = await house.query(
      'SELECT (SELECT toString(count()) FROM requests) AS rows, (SELECT toString(sum(n)) FROM r_user_1d) AS users',
    )
    expect(sums).toEqual([{ rows: '90', users: '90' }])
    await until(
      'all is well',
      async () => ((await (await fetch(`${house.proxy}/readyz`)).json()) as { status: string }).status === 'ready',
    )
  }, 240_000)

  test('more partitions: what lies in the new ones is read, without a restart', async () => {
    const topic = newTopic('wider')
    const { house, calls, stored } = await opened(topic)
    await stored(await calls(1))
    await admin.createPartitions({ topicPartitions: [{ topic, count: 14 }] })
    const link = kafkajsLink({ access: access(), complain: () => undefined })
    onTestFinished(() => link.close())
    const producer = await link.producer()
    const ids = [12, 13].map(() => uuidv7(Date.now()))
    for (const [i, id] of ids.entries()) {
      const payload = Buffer.from(payloadOf(exchange({ id, startedAt: new Date().toISOString() })))
      await producer.send(topic, 12 + i, [eventMessage(payload, { writer: 'w', at: i }, false)])
    }
    await producer.close()
    await stored(ids)
    await stored(await calls(3))
    expect(house.stderr()).not.toContain('could not be brought back to life')
  }, 180_000)

  test('a group that stands behind the end says so, and after a while reads from the beginning, in doubt, under another name', async () => {
    const topic = newTopic('made-anew')
    const group = `behind-${topic}`
    const link = kafkajsLink({ access: access(), complain: () => undefined })
    onTestFinished(() => link.close())
    await link.ensure([{ topic, partitions: 1, retentionMs: 3_600_000 }])
    const producer = await link.producer()
    onTestFinished(() => producer.close())
    const send = async (...ids: readonly string[]): Promise<void> =>
      await producer.send(
        topic,
        0,
        ids.map((id) => eventMessage(Buffer.from(payloadOf(exchange({ id }))), { writer: 'w', at: 0 }, false)),
      )
    await send('a', 'b')
    await admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '8' }] })
    const said: string[] = []
    const source = openKafkaSource({
      link,
      topic,
      group,
      log: (sentence) => said.push(sentence),
      patience: { everyMs: 200, ms: 1500 },
    })
    await until('it says so', async () => (await source.partitions()).length === 0 && source.trouble !== null, {
      timeoutMs: 60_000,
    })
    expect(source.trouble).toContain(`${group} stands at 8 of ${topic}/0, which ends at 2`)
    const [partition] = await until('it reads', async () => {
      const found = await source.partitions()
      return found.length > 0 && found
    })
    expect(partition).toBe(`${topic}/0~1`)
    const read = async (from: Source, at: number, n: number) =>
      await until('the events', async () => {
        await from.partitions()
        const found = await from.read(`${topic}/0~1`, at, 100, 1e9)
        return found.length >= n && found.map(({ at: offset, doubt }) => [offset, doubt])
      })
    expect(await read(source, 0, 2)).toEqual([
      [0, true],
      [1, true],
    ])
    expect(source.trouble).toBeNull()
    await source.commit(`${topic}/0~1`, '', 2)
    await source.close()
    await send('c', 'd', 'e', 'f', 'g', 'h', 'i')
    // Whoever comes next knows of it.
    const next = openKafkaSource({ link, topic, group })
    onTestFinished(() => next.close())
    await until('it reads on', async () => (await next.partitions()).length > 0, { timeoutMs: 60_000 })
    expect(await next.progress(`${topic}/0~1`, '')).toEqual({ committed: 2, planned: null })
    expect(await read(next, 2, 7)).toEqual([2, 3, 4, 5, 6, 7, 8].map((offset) => [offset, offset < 8]))
    expect(said).toHaveLength(2)
  }, 120_000)
})
