import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { BrokerRefusal, type KafkaLink, type KafkaMember, type KafkaMessage, type PlacedMessage } from '../journal/kafka/port.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { until } from './support/wait.js'

const message = (key: string, text = key): KafkaMessage => ({ key, value: Buffer.from(text), headers: { v: '1', id: key } })
const texts = (messages: readonly PlacedMessage[]): string[] => messages.map(({ value }) => value.toString())

/** What any client behind the port has to do, at a real broker. */
describe.skipIf(kafkaJars === null)('the port to Kafka: kafkajs at a real broker (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  const complaints: string[] = []
  const open = (): KafkaLink => {
    const link = kafkajsLink({
      access: { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' },
      complain: (sentence) => void complaints.push(sentence),
    })
    onTestFinished(() => link.close())
    return link
  }
  const topicOf = async (link: KafkaLink, topic: string, partitions = 3): Promise<string> => {
    await link.ensure([{ topic, partitions, retentionMs: 3_600_000 }])
    return topic
  }
  const joined = async (link: KafkaLink, group: string, topic: string, partitions: number): Promise<KafkaMember> => {
    const member = link.join(group, topic)
    await until('the member has its partitions', () => member.assigned().length === partitions, { timeoutMs: 60_000 })
    return member
  }
  const readAll = (member: KafkaMember, partition: number, n: number, from = 0): Promise<readonly PlacedMessage[]> =>
    until(`${n} messages of ${partition}`, () => {
      const found = member.read(partition, from, 1000, 1e9)
      return found.length >= n ? found : null
    })

  beforeAll(async () => {
    kafka = await startKafka({ dir })
  }, 120_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  test('a missing topic is made, one that is there is left as it is', async () => {
    const link = open()
    const wish = { topic: 'made', partitions: 4, retentionMs: 7_200_000 }
    expect(await link.ensure([wish])).toEqual([
      { partitions: 4, replicas: 1, retentionMs: 7_200_000, minInsyncReplicas: 1, maxMessageBytes: 1_048_588 },
    ])
    expect((await link.ensure([{ ...wish, partitions: 9, retentionMs: 1 }]))[0]).toMatchObject({
      partitions: 4,
      retentionMs: 7_200_000,
    })
  })

  test('partitions by murmur2, as the Java client has them', () => {
    const link = open()
    // Worked out with the Java client's Utils.murmur2: 0x7fffffff & murmur2(key) mod 12.
    expect(['21', 'foobar', 'a-little-bit-long-string'].map((key) => link.partitionOf(key, 1_000_003))).toEqual(
      [-973_932_308, -790_332_482, -985_981_536].map((hash) => (hash & 0x7fffffff) % 1_000_003),
    )
  })

  test('what was sent to a partition is read in order, with its headers, and again until it is committed', async () => {
    const link = open()
    const topic = await topicOf(link, 'order')
    const producer = await link.producer()
    await producer.send(
      topic,
      1,
      ['a', 'b', 'c'].map((key) => message(key)),
    )
    await producer.send(topic, 1, [message('d', 'x'.repeat(300_000))])
    await producer.close()
    const member = await joined(link, 'order', topic, 3)
    const found = await readAll(member, 1, 4)
    expect(texts(found.slice(0, 3))).toEqual(['a', 'b', 'c'])
    expect(found.map(({ offset }) => offset)).toEqual([0, 1, 2, 3])
    expect(found[0]?.headers).toEqual({ v: '1', id: 'a' })
    expect(member.read(1, 1, 2, 1e9).map(({ offset }) => offset)).toEqual([1, 2])
    // A message over the byte limit comes alone.
    expect(member.read(1, 3, 10, 10).map(({ offset }) => offset)).toEqual([3])
    expect(member.read(1, 2, 10, 10).map(({ offset }) => offset)).toEqual([2])
    await member.commit(1, 2, '{"last":3}')
    expect(await member.position(1)).toEqual({ offset: 2, metadata: '{"last":3}' })
    expect(texts(member.read(1, 2, 1, 1e9))).toEqual(['c'])
    // Before what is held: asked for anew.
    expect(member.read(1, 0, 10, 1e9)).toEqual([])
    expect(texts((await readAll(member, 1, 4)).slice(0, 2))).toEqual(['a', 'b'])
    expect(await link.offsets(topic)).toEqual(
      new Map([
        [0, { low: 0, high: 0 }],
        [1, { low: 0, high: 4 }],
        [2, { low: 0, high: 0 }],
      ]),
    )
  })

  test('a second member takes over what the first had not committed', async () => {
    const link = open()
    const topic = await topicOf(link, 'takeover', 2)
    const producer = await link.producer()
    await producer.send(
      topic,
      0,
      ['a', 'b', 'c'].map((key) => message(key)),
    )
    await producer.close()
    const first = await joined(link, 'takeover', topic, 2)
    await readAll(first, 0, 3)
    await first.commit(0, 1, '')
    const other = open()
    const second = other.join('takeover', topic)
    await until('they share', () => first.assigned().length === 1 && second.assigned().length === 1, { timeoutMs: 60_000 })
    await first.close()
    await until('the second has both', () => second.assigned().length === 2, { timeoutMs: 60_000 })
    expect(await second.position(0)).toEqual({ offset: 1, metadata: '' })
    const found = await readAll(second, 0, 2, 1)
    expect(texts(found)).toEqual(['b', 'c'])
    await expect(first.commit(0, 2, '')).rejects.toThrow()
  }, 90_000)

  test('a message that is too long is refused as such, and the next producer goes on', async () => {
    const link = open()
    const topic = await topicOf(link, 'long')
    const producer = await link.producer()
    const noise = randomBytes(2_000_000)
    await expect(producer.send(topic, 0, [{ ...message('long'), value: noise }])).rejects.toBeInstanceOf(BrokerRefusal)
    await producer.close()
    const next = await link.producer()
    await next.send(topic, 0, [message('short')])
    await next.close()
    expect((await link.offsets(topic)).get(0)).toEqual({ low: 0, high: 1 })
  })

  test('a broker that is killed and comes back: what was acknowledged is there, the member reads on', async () => {
    const link = open()
    const topic = await topicOf(link, 'killed', 1)
    const member = await joined(link, 'killed', topic, 1)
    const producer = await link.producer()
    await producer.send(topic, 0, [message('before')])
    expect(texts(await readAll(member, 0, 1))).toEqual(['before'])
    const [node] = kafka.nodes
    await node?.kill()
    await expect(producer.send(topic, 0, [message('during')])).rejects.toThrow()
    await producer.close().catch(() => undefined)
    await node?.start()
    await until(
      'a producer writes again',
      async () => {
        const next = await link.producer()
        await next.send(topic, 0, [message('after')])
        await next.close()
        return true
      },
      { timeoutMs: 60_000 },
    )
    const found = await until(
      'the member reads on',
      () => {
        const all = texts(member.read(0, 0, 100, 1e9))
        return all.includes('after') ? all : null
      },
      { timeoutMs: 90_000 },
    )
    expect(found[0]).toBe('before')
  }, 180_000)
})
