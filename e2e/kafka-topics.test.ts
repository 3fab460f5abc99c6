import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { uuidv7 } from '../core/ids.js'
import { exchange, payloadOf } from '../ingest/testing.js'
import { kafkaClient } from '../journal/kafka/client.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { eventMessage } from '../journal/kafka/topic-message.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { openHouse, providersAt } from './support/house.js'
import { until } from './support/wait.js'

// What people do to a topic while a whole Weir runs on it.

describe.skipIf(kafkaJars === null)('a topic that changes under a house (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  let fake: FakeProvider
  let admin: Admin
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
    const topic = 'deleted'
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
    const topic = 'wider'
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
})
