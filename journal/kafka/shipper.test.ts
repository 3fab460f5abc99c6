import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decodeExchange } from '../../core/exchange.js'
import { openJournal } from '../open.js'
import { openJournalSource } from '../source.js'
import { append, testFolder } from '../testing.js'
import { BrokerRefusal, NoSuchPartition, type KafkaLink, type KafkaMessage } from './port.js'
import { shipperConsumer, startShipper, type Undeliverable } from './shipper.js'

interface Sent {
  readonly producer: number
  readonly partition: number
  readonly ids: readonly string[]
  readonly doubt: boolean
}

const idOf = ({ value }: KafkaMessage): string => decodeExchange(value).id

/** Brokers that take what they are sent, unless `fault` throws. */
const brokers = (fault: (messages: readonly KafkaMessage[], partition: number, producer: number) => void = () => undefined) => {
  const sent: Sent[] = []
  const taken: KafkaMessage[] = []
  let producers = 0
  let closed = 0
  const link = {
    partitionOf: (key: string, partitions: number) => Number(/(\d+)$/.exec(key)?.[1] ?? 0) % partitions,
    producer: () => {
      const own = ++producers
      return Promise.resolve({
        send: async (_topic: string, partition: number, messages: readonly KafkaMessage[]) => {
          sent.push({
            producer: own,
            partition,
            ids: messages.map(idOf),
            doubt: messages.some(({ headers }) => headers.doubt === '1'),
          })
          await Promise.resolve()
          fault(messages, partition, own)
          taken.push(...messages)
        },
        close: () => Promise.resolve(void closed++),
      })
    },
  } as unknown as KafkaLink
  return { link, sent, taken, producers: () => producers, closed: () => closed }
}

const opened = async (
  link: KafkaLink,
  more: { partitions?: number; ensure?: () => Promise<number>; segmentBytes?: number } = {},
) => {
  const { partitions = 1, ensure, segmentBytes = 2 ** 20 } = more
  const dir = testFolder()
  const journal = await openJournal({ dir, durability: 'off', limitBytes: 2 ** 30, now: Date.now, segmentBytes })
  const source = await openJournalSource({ dir, consumers: [shipperConsumer], upkeepMs: 20 })
  const letters: Undeliverable[] = []
  const faults: string[] = []
  const start = () =>
    startShipper({
      source,
      link,
      topic: 't',
      partitions,
      ...(ensure === undefined ? {} : { ensure }),
      maxMessageBytes: 100_000,
      setAside: (letter) => Promise.resolve(void letters.push(letter)),
      now: Date.now,
      random: () => 0,
      onFault: (sentence) => void faults.push(sentence),
    })
  const shipper = start()
  onTestFinished(async () => {
    await shipper.stop(0)
    await source.close()
    await journal.close()
  })
  const segments = (): number => readdirSync(join(dir, journal.writer)).filter((name) => name.endsWith('.seg')).length
  return { journal, source, shipper, letters, faults, segments }
}

test('whatever a producer fails with, it is used no more, and what it was given comes again, in doubt', async () => {
  const { link, sent, taken, closed } = brokers((_messages, _partition, producer) => {
    if (producer < 3) throw Object.assign(new Error('out of order'), { type: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
  })
  const { journal, shipper, faults } = await opened(link)
  await append(journal, 'end', 'call-1')
  await expect.poll(() => shipper.state.events).toBe(1)
  expect(sent).toEqual([1, 2, 3].map((producer) => ({ producer, partition: 0, ids: ['call-1'], doubt: producer > 1 })))
  expect(taken).toHaveLength(1)
  expect(closed()).toBe(2)
  expect(shipper.state).toMatchObject({ resent: 2, trouble: null })
  // Told once, not with each try.
  expect(faults).toHaveLength(1)
  await append(journal, 'end', 'call-2')
  await expect.poll(() => sent.at(-1)).toEqual({ producer: 3, partition: 0, ids: ['call-2'], doubt: false })
})

test('a segment stays until all of it is acknowledged', async () => {
  let away = true
  const { link } = brokers(() => {
    if (away) throw new Error('away')
  })
  const { journal, shipper, segments, source } = await opened(link, { segmentBytes: 20_000 })
  for (let n = 0; n < 40; n++) await append(journal, 'end', `call-${n}`, { body: 'x'.repeat(2000) })
  await expect.poll(() => shipper.state.trouble?.message).toBe('away.')
  const before = segments()
  expect(before).toBeGreaterThan(3)
  // Time for several rounds of upkeep.
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(segments()).toBe(before)
  expect((await source.progress(journal.writer, shipperConsumer)).committed).toBe(0)
  away = false
  await expect.poll(() => shipper.state.events).toBe(40)
  await expect.poll(segments).toBe(1)
})

test('one event that no broker takes: its bodies go, then it stays on this machine; the others are not held up', async () => {
  const { link, taken } = brokers((messages) => {
    for (const message of messages) {
      if (idOf(message) === 'call-3') throw new BrokerRefusal('too long')
      if (idOf(message) === 'call-5' && message.value.length > 1500) throw new BrokerRefusal('too long')
    }
  })
  const { journal, shipper, letters } = await opened(link)
  for (let n = 0; n < 8; n++) await append(journal, 'end', `call-${n}`, { body: 'x'.repeat(1000) })
  await expect.poll(() => shipper.state).toMatchObject({ events: 7, deadLetters: 1, lagBytes: 0 })
  expect(new Set(taken.map(idOf))).toEqual(new Set([0, 1, 2, 4, 5, 6, 7].map((n) => `call-${n}`)))
  const bare = decodeExchange(taken.find((message) => idOf(message) === 'call-5')?.value as Buffer)
  expect([bare.notes, bare.reqBody]).toEqual([['kafka_limit'], null])
  const [letter] = letters
  // Untouched, with its bodies.
  expect(decodeExchange(letter?.payload as Buffer).reqBody?.bytes).toHaveLength(1000)
  expect(letter).toMatchObject({ origin: { writer: journal.writer }, error: 'too long' })
})

test('a topic made anew with fewer partitions: what was begun is spread over those, in doubt, in order', async () => {
  let partitions = 4
  const { link, sent, taken } = brokers((_messages, partition) => {
    if (partition >= partitions) throw new NoSuchPartition(`There is no t/${partition}.`)
  })
  const { journal, shipper } = await opened(link, { partitions: 4, ensure: () => Promise.resolve(partitions) })
  for (let n = 0; n < 8; n++) await append(journal, 'end', `call-${n}`)
  await expect.poll(() => shipper.state.events).toBe(8)
  partitions = 2
  const before = taken.length
  for (let n = 8; n < 16; n++) await append(journal, 'end', `call-${n}`)
  await expect.poll(() => new Set(taken.slice(before).map(idOf)).size).toBe(8)
  await expect.poll(() => shipper.state.lagBytes).toBe(0)
  expect(sent.slice(-2).every(({ partition }) => partition < 2)).toBe(true)
  expect(shipper.state.trouble).toBeNull()
})
