import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openDb } from '../clickhouse/open.js'
import { rollupCheck } from '../ingest/store/rollup-check.js'
import { payloadOf } from '../ingest/testing.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { eventMessage } from '../journal/kafka/topic-message.js'
import { callOf, expected, toldBy } from './nets/calls.js'
import type { Switches } from './nets/switches.js'
import { startClickHouse } from './servers/clickhouse/clickhouse.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { until } from './support/wait.js'

// Each of the two nets alone, with the other taken away, through a real Kafka that delivers again: two members of the group, killed in
// mid-insert, leaving and joining (storage.md §3).

const program = fileURLToPath(new URL('../dist/e2e/nets/ingest-process.js', import.meta.url))
const partitions = 4
const calls = 3000

describe.skipIf(kafkaJars === null)('one net alone, through a real Kafka (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ dir })
  }, 120_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  })

  /** A topic with every call, some of them again in doubt; two processes that read it into one server, one net of theirs taken away. */
  const opened = async (topic: string, switches: Switches, again: (n: number) => boolean) => {
    const link = kafkajsLink({
      access: { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' },
      complain: () => undefined,
    })
    onTestFinished(() => link.close())
    await link.ensure([{ topic, partitions, retentionMs: 3_600_000 }])
    const clickHouse = await startClickHouse(join(dir, `clickhouse-${topic}`))
    onTestFinished(() => clickHouse.stop())
    const db = await openDb({ clickhouseUrl: clickHouse.url, dataDir: dir })
    onTestFinished(() => db.close())
    const kafkaOf = { brokers: kafka.brokers.split(','), topic, group: topic }
    const start = async (): Promise<ChildProcess> => {
      const child = spawn(
        process.execPath,
        [program, JSON.stringify({ dataDir: dir, clickhouseUrl: clickHouse.url, switches, kafka: kafkaOf })],
        {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
          env: { PATH: process.env.PATH ?? '', UV_THREADPOOL_SIZE: '16' },
        },
      )
      onTestFinished(() => void child.kill('SIGKILL'))
      await once(child, 'message')
      return child
    }
    /** Sends some calls, and those of them again that are to be. */
    const send = async (from: number, to: number): Promise<void> => {
      const producer = await link.producer()
      for (let partition = 0; partition < partitions; partition++) {
        const own = Array.from({ length: to - from }, (_, i) => from + i).filter((n) => n % partitions === partition)
        const messageOf = (n: number, doubt: boolean) =>
          eventMessage(Buffer.from(payloadOf(callOf(n))), { writer: 'w', at: n }, doubt)
        for (let at = 0; at < own.length; at += 100) {
          const some = own.slice(at, at + 100)
          const repeated = some.filter(again)
          await producer.send(
            topic,
            partition,
            some.map((n) => messageOf(n, false)),
          )
          // As a shipper does that got no answer: the same partition, at once.
          if (repeated.length > 0)
            await producer.send(
              topic,
              partition,
              repeated.map((n) => messageOf(n, true)),
            )
        }
      }
      await producer.close()
    }
    const lag = async (): Promise<number> => {
      const [ends, stands] = await Promise.all([link.offsets(topic), link.groupOffsets(topic, topic)])
      return [...ends].reduce((sum, [partition, { high }]) => sum + high - Math.max(0, stands.get(partition)?.offset ?? 0), 0)
    }
    const plans = async (): Promise<number> =>
      [...(await link.groupOffsets(topic, topic)).values()].filter(({ metadata }) => metadata !== '').length
    const read = (): Promise<unknown> =>
      until('all is read', async () => (await lag()) === 0, { timeoutMs: 120_000, everyMs: 250 })
    return { db, start, send, plans, read }
  }
  const end = async (child: ChildProcess, signal: 'SIGKILL' | 'drain'): Promise<void> => {
    const gone = once(child, 'exit')
    if (signal === 'drain') child.send('drain')
    else child.kill(signal)
    await gone
  }

  test('tokens alone: no look-up, each batch twice, members killed in mid-insert: rows, roll-ups and pico-USD as issued', async () => {
    const { db, start, send, plans, read } = await opened('tokens', { tokens: 'on', lookUp: 'off', times: 2 }, () => false)
    const members = [await start(), await start()]
    for (let round = 0; round < 2; round++) {
      await send((round * calls) / 2, ((round + 1) * calls) / 2)
      await until('an insert is on its way', async () => (await plans()) > 0, { timeoutMs: 60_000, everyMs: 10 })
      const victim = round
      await end(members[victim] as ChildProcess, round === 1 ? 'drain' : 'SIGKILL')
      members[victim] = await start()
    }
    await read()
    await Promise.all(members.map((member) => end(member, 'drain')))
    expect(await toldBy(db)).toEqual(expected(calls))
  }, 240_000)

  test('the look-up alone: no batch is known again, a fifth sent twice, read by one process after the other: the same', async () => {
    const { db, start, send, read } = await opened('look-up', { tokens: 'off', lookUp: 'on', times: 1 }, (n) => n % 20 >= 16)
    // One after the other: a range that is begun when partitions move comes again as it was, and for that there are tokens, or the check.
    for (let round = 0; round < 3; round++) {
      await send((round * calls) / 3, ((round + 1) * calls) / 3)
      const member = await start()
      await read()
      await end(member, 'drain')
    }
    expect(await toldBy(db)).toEqual(expected(calls))
  }, 240_000)

  test('neither, and members killed in mid-insert: FINAL is right, and the check mends the roll-ups', async () => {
    const { db, start, send, plans, read } = await opened(
      'neither',
      { tokens: 'off', lookUp: 'off', times: 2 },
      (n) => n % 20 >= 16,
    )
    const members = [await start(), await start()]
    await send(0, calls)
    await until('an insert is on its way', async () => (await plans()) > 0, { timeoutMs: 60_000, everyMs: 10 })
    await end(members[0] as ChildProcess, 'SIGKILL')
    members[0] = await start()
    await read()
    await Promise.all(members.map((member) => end(member, 'drain')))
    const right = expected(calls)
    expect((await toldBy(db)).user).not.toEqual(right.user)
    const rebuilt: number[] = []
    const check = rollupCheck({
      db,
      now: () => Date.now() + 3_600_000,
      retentionDays: () => 400,
      alone: (work) => work(() => Promise.resolve()),
      onRebuilt: (month) => rebuilt.push(month),
    })
    await check.check()
    expect(rebuilt).toHaveLength(1)
    expect(await toldBy(db, 'FINAL')).toEqual(right)
  }, 240_000)
})
