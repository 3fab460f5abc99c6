import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import kafkajs, { type CompressionTypes, type Message, type Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { uuidv7 } from '../core/ids.js'
import { exchange, payloadOf } from '../ingest/testing.js'
import { kafkaClient } from '../journal/kafka/client.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import type { KafkaLink, PlacedMessage } from '../journal/kafka/port.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { until } from './support/wait.js'

// What lies on the topic and is no event, and the way back of what was set aside (storage.md §2).

const topic = 'poison'
const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

interface Summary {
  readonly letters: number
  readonly replayed: number
  readonly unreadable: number
  readonly reasons: readonly { readonly reason: string; readonly letters: number; readonly error: string }[]
  readonly spans: readonly { readonly folder: string; readonly letters: number }[]
}

/** One block of Snappy that is all literal. */
const snapped = (bytes: Buffer): Buffer => {
  const varint: number[] = []
  let left = bytes.length
  for (; left > 0x7f; left >>>= 7) varint.push((left & 0x7f) | 0x80)
  varint.push(left)
  const tag = Buffer.from([62 << 2, 0, 0, 0])
  tag.writeUIntLE(bytes.length - 1, 1, 3)
  return Buffer.concat([Buffer.from(varint), tag, bytes])
}

describe.skipIf(kafkaJars === null)('what is no event, on the topic (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  let fake: FakeProvider
  let house: RunningHouse
  let link: KafkaLink
  let producer: Producer
  beforeAll(async () => {
    kafka = await startKafka({ dir })
    fake = await startFakeProvider()
    house = await openHouse({
      yaml: `kafka: { topic: ${topic} }\n${providersAt(fake.origin, ['openai'])}`,
      env: { KAFKA_BROKERS: kafka.brokers },
    })
    const access = { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' }
    link = kafkajsLink({ access, complain: () => undefined })
    producer = kafkaClient(access, () => undefined).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    await until('the topics', async () => (await link.look(topic)) !== null && (await link.look(`${topic}.dlq`)) !== null)
  }, 180_000)
  afterAll(async () => {
    await producer?.disconnect()
    await link?.close()
    await house?.stop()
    await fake?.close()
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const send = (messages: readonly Message[], compression: CompressionTypes = kafkajs.CompressionTypes.None, to = topic) =>
    producer.send({ topic: to, compression, messages: messages.map((message) => ({ partition: 0, ...message })) })
  const call = async (): Promise<string> => {
    const answer = await fetch(`${house.proxy}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
      body: JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'hi' }] }),
    })
    await answer.text()
    return answer.headers.get('weir-id') ?? ''
  }
  const deadOnes = async (n: number): Promise<readonly PlacedMessage[]> => {
    const reader = link.join(`look-${Math.random()}`, `${topic}.dlq`)
    try {
      return await until(
        `${n} dead letters`,
        () => {
          const found = reader.read(0, 0, 1000, 1e9)
          return found.length >= n && found
        },
        { timeoutMs: 60_000 },
      )
    } finally {
      await reader.close()
    }
  }
  const replayDlq = async (...args: readonly string[]): Promise<{ summary: Summary; code: number; said: string }> => {
    const child = spawn(process.execPath, [weir, 'replay-dlq', '--json', ...args], {
      cwd: house.folder,
      env: {
        PATH: process.env.PATH ?? '',
        WEIR_DATA: join(house.folder, 'data'),
        WEIR_CONFIG: house.configFile,
        KAFKA_BROKERS: kafka.brokers,
      },
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [out, said, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? -1))),
    ])
    return { summary: JSON.parse(out === '' ? 'null' : out) as Summary, code, said }
  }
  const eventOf = (id: string): Buffer => Buffer.from(payloadOf(exchange({ id, startedAt: new Date().toISOString() })))
  const framed = (head: object): Buffer => {
    const json = Buffer.from(JSON.stringify({ reqBody: null, resBody: null, ...head }))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(json.length)
    return Buffer.concat([length, json])
  }
  const newer = framed({ ...exchange(), v: 2 })

  test('each is set aside with its reason and place, and what lies between and behind is stored', async () => {
    const [first, between, compressed, zipped] = [0, 1, 2, 3].map(() => uuidv7(Date.now())) as [string, string, string, string]
    kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = () => ({
      compress: ({ buffer }: { buffer: Buffer }) => Promise.resolve(snapped(buffer)),
      decompress: (buffer: Buffer) => Promise.resolve(buffer),
    })
    const cut = eventOf(uuidv7(Date.now()))
    const poison: readonly Message[] = [
      { key: 'x', value: 'good morning, is this the right topic?' },
      { key: null, value: null },
      { key: 'x', value: '' },
      { value: newer },
      { value: cut.subarray(0, cut.length - 40), headers: { v: '1', t: 'end', id: 'x', doubt: '0' } },
      { value: framed({ v: 1, id: 'order-4711' }) },
      { value: framed({ ...exchange({ id: uuidv7(Date.now()) }), counts: 'many' }), headers: { doubt: '1' } },
      { value: '{"no":"gap"}', headers: { t: 'gap' } },
    ]
    await send([{ value: eventOf(first) }, ...poison.slice(0, 3), { value: eventOf(between) }, ...poison.slice(3)])
    await send([{ value: eventOf(compressed) }], kafkajs.CompressionTypes.Snappy)
    await send([{ value: eventOf(zipped) }], kafkajs.CompressionTypes.GZIP)
    const last = await call()
    for (const id of [first, between, compressed, zipped, last]) expect((await house.row(id, 60_000)).id).toBe(id)

    const letters = await deadOnes(poison.length)
    expect(letters.map(({ headers }) => headers.reason)).toEqual(
      poison.map(({ value }) => (value === newer ? 'newer_version' : 'undecodable')),
    )
    expect(letters.map(({ value }) => value)).toEqual(poison.map(({ value }) => Buffer.from(value ?? '')))
    expect(letters.map(({ headers: { partition, first: from, last: to } }) => [partition, from, to])).toEqual(
      [1, 2, 3, 5, 6, 7, 8, 9].map((offset) => [`${topic}/0`, String(offset), String(offset)]),
    )
    expect(
      letters.every(
        ({ headers }) => headers.v === '1' && (headers.error ?? '') !== '' && !Number.isNaN(Date.parse(headers.at ?? '')),
      ),
    ).toBe(true)
    const { ingest, causes } = (await (await fetch(`${house.web}/api/health`)).json()) as {
      ingest: { deadLetters: number }
      causes: { cause: string; effect: string }[]
    }
    expect(ingest.deadLetters).toBe(poison.length)
    expect(causes.find(({ cause }) => cause === 'dead_letters')?.effect).toContain(`${topic}.dlq`)
  }, 120_000)

  test('weir replay-dlq: those of the topic once, by reason, and a group remembers which', async () => {
    const id = uuidv7(Date.now())
    const event = eventOf(id)
    const at = new Date().toISOString()
    const head = { v: '1', error: 'as told', partition: `${topic}/0`, first: '1', last: '1', at }
    await send([{ value: event, headers: { ...head, reason: 'enrich_failed' } }], kafkajs.CompressionTypes.None, `${topic}.dlq`)
    const dry = await replayDlq('--dry-run')
    expect(dry.summary).toMatchObject({ letters: 9, replayed: 1, unreadable: 8 })
    expect(dry.summary.reasons.find(({ reason }) => reason === 'enrich_failed')).toMatchObject({ letters: 1, error: 'as told' })
    expect((await replayDlq('--reason', 'newer_version')).summary).toMatchObject({ letters: 1, replayed: 0, unreadable: 1 })
    expect((await replayDlq('--since', '2999-01-01')).summary).toMatchObject({ letters: 0 })

    expect((await replayDlq('--reason', 'enrich_failed')).summary).toMatchObject({ letters: 1, replayed: 1 })
    expect((await house.row(id, 60_000)).id).toBe(id)
    expect((await replayDlq('--reason', 'enrich_failed')).summary).toMatchObject({ letters: 0, replayed: 0 })
    // Set aside again it is sent again; the row stays one.
    await send([{ value: event, headers: { ...head, reason: 'enrich_failed' } }], kafkajs.CompressionTypes.None, `${topic}.dlq`)
    expect((await replayDlq('--limit', '5')).summary).toMatchObject({ letters: 9, replayed: 1, unreadable: 8 })
    const marker = await call()
    await house.row(marker, 60_000)
    await until(
      'all of the topic is read',
      async () => {
        const [ends, stands] = await Promise.all([link.offsets(topic), link.groupOffsets('weir.ingest', topic)])
        return [...ends].every(([partition, { high }]) => high === 0 || stands.get(partition)?.offset === high)
      },
      { timeoutMs: 60_000 },
    )
    expect(await house.rows(`r.request_id = '${id}'`)).toHaveLength(1)
    // Eight are left: what is done does not count as a dead letter any more.
    await until(
      'the hub to count anew',
      async () =>
        ((await (await fetch(`${house.web}/api/health`)).json()) as { ingest: { deadLetters: number } }).ingest.deadLetters === 8,
      { timeoutMs: 30_000 },
    )
  }, 180_000)

  test('those of the data folder go the same way, spans do not, and what nobody can read stays', async () => {
    const dlq = join(house.folder, 'data', 'dlq')
    const id = uuidv7(Date.now())
    const head = {
      v: 1,
      reason: 'refused',
      error: 'too long',
      source: { partition: 'w', first: 1, last: 1 },
      at: new Date().toISOString(),
    }
    const letter = (payload: Buffer): Buffer => Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), payload])
    writeFileSync(join(dlq, 'w_1-1_refused.dead'), letter(eventOf(id)))
    writeFileSync(join(dlq, 'w_2-2_refused.dead'), letter(Buffer.from('nothing')))
    mkdirSync(join(dlq, 'otlp-jaeger'))
    writeFileSync(join(dlq, 'otlp-jaeger', 'w_1-2_refused.dead'), letter(Buffer.from('spans')))
    const { summary } = await replayDlq('--reason', 'refused')
    expect(summary).toMatchObject({ letters: 2, replayed: 1, unreadable: 1, spans: [{ folder: 'otlp-jaeger', letters: 1 }] })
    expect((await house.row(id, 60_000)).id).toBe(id)
    expect(readdirSync(dlq).sort()).toEqual(['otlp-jaeger', 'w_2-2_refused.dead'])
  }, 120_000)

  test('a reason that is none, and brokers that do not answer, are told in one sentence', async () => {
    const wrong = await replayDlq('--reason', 'refusd')
    expect(wrong.code).toBe(2)
    expect(wrong.said).toContain('Did you mean refused?')
  })
})
