import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../cli/fake-provider/server.js'
import { openDb } from '../clickhouse/open.js'
import { payloadOf } from '../ingest/testing.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import type { KafkaLink } from '../journal/kafka/port.js'
import { shipperConsumer, startShipper } from '../journal/kafka/shipper.js'
import { eventsTopic } from '../journal/kafka/topics.js'
import { openJournal } from '../journal/open.js'
import { openJournalSource } from '../journal/source.js'
import { check, lineOf } from './checker/check.js'
import { startLoad } from './checker/load.js'
import { rollupSums, rowSums, storedCalls } from './checker/stored.js'
import { callOf, expected, toldBy } from './nets/calls.js'
import { startClickHouse } from './servers/clickhouse/clickhouse.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { openHouse, providersAt } from './support/house.js'
import { roleOf } from './support/processes.js'
import { randomFrom } from './support/random.js'
import { until } from './support/wait.js'

// From the journal through a real Kafka into the store, with ingest killed in mid-insert (storage.md §3, §8.3). WEIR_KAFKA_KILLS says how
// many faults, WEIR_SEED repeats a run.

const faults = Number(process.env.WEIR_KAFKA_KILLS ?? 4)
const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))
const group = 'weir.ingest'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-once-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return dir
}

const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** `weir ingest`, as it runs on a host of its own. */
const startIngest = (dataDir: string, env: Readonly<Record<string, string>>): ChildProcess => {
  const child = spawn(process.execPath, [weir, 'ingest'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: dataDir,
    env: {
      PATH: process.env.PATH ?? '',
      WEIR_DATA: dataDir,
      WEIR_INGEST_PORT: '0',
      WEIR_LOG_LEVEL: 'error',
      UV_THREADPOOL_SIZE: '16',
      ...env,
    },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}
const end = async (child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

describe.skipIf(kafkaJars === null)('exactly once through a real Kafka (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ dir })
  }, 120_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const openLink = (): KafkaLink => {
    const link = kafkajsLink({
      access: { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' },
      complain: () => undefined,
    })
    onTestFinished(() => link.close())
    return link
  }
  const lagOf = async (link: KafkaLink, topic: string): Promise<number> => {
    const [ends, stands] = await Promise.all([link.offsets(topic), link.groupOffsets(group, topic)])
    return [...ends].reduce((sum, [partition, { high }]) => sum + high - Math.max(0, stands.get(partition)?.offset ?? 0), 0)
  }
  const plansOf = async (link: KafkaLink, topic: string): Promise<readonly string[]> =>
    [...(await link.groupOffsets(group, topic))]
      .filter(([, { metadata }]) => metadata !== '')
      .map(([partition, { metadata }]) => `${partition} ${metadata}`)
  /** A range is planned and not acknowledged, and it is none that was begun before: an insert is on its way. */
  const inMidInsert = async (link: KafkaLink, topic: string): Promise<unknown> => {
    const before = await until('the group to be asked', () => plansOf(link, topic), { timeoutMs: 60_000 })
    return await until(
      'an insert to be on its way',
      async () => (await plansOf(link, topic)).some((plan) => !before.includes(plan)),
      { timeoutMs: 120_000, everyMs: 5 },
    )
  }
  const brokerAgain = async (next: () => number): Promise<void> => {
    const [node] = kafka.nodes
    await node?.kill()
    await sleep(next() * 2000)
    await node?.start()
  }

  test(
    `two members, ${faults} faults in mid-insert (seed ${seed}): rows, roll-ups and pico-USD as issued`,
    async () => {
      const topic = 'two-members'
      const next = randomFrom(seed)
      const home = folder()
      const link = openLink()
      const [facts] = await link.ensure([eventsTopic(topic)])
      const clickHouse = await startClickHouse(join(home, 'clickhouse'))
      onTestFinished(() => clickHouse.stop())
      const env = { KAFKA_BROKERS: kafka.brokers, CLICKHOUSE_URL: clickHouse.url, WEIR_CONFIG: join(home, 'weir.yaml') }
      writeFileSync(env.WEIR_CONFIG, `kafka: { topic: ${topic} }\n`)

      const journalDir = join(home, 'journal')
      const journal = await openJournal({ dir: journalDir, durability: 'off', limitBytes: 2 ** 30, now: Date.now })
      const source = await openJournalSource({ dir: journalDir, consumers: [shipperConsumer] })
      const shipper = startShipper({
        source,
        link,
        topic,
        partitions: facts?.partitions ?? 0,
        maxMessageBytes: 1_000_000,
        setAside: ({ error }) => Promise.reject(new Error(error)),
        now: Date.now,
        random: Math.random,
        onFault: () => undefined,
      })
      onTestFinished(async () => {
        await shipper.stop(0)
        await source.close()
        await journal.close()
      })
      let issued = 0
      const enough = new AbortController()
      const load = (async () => {
        while (!enough.signal.aborted) {
          for (let n = 0; n < 15; n++, issued++) {
            const call = callOf(issued)
            journal.append('end', call.id, call.tenant, [payloadOf(call)], 'off', (failure) => {
              if (failure !== null) throw failure
            })
          }
          await sleep(50)
        }
      })()
      onTestFinished(async () => {
        enough.abort()
        await load
      })

      const members: ChildProcess[] = []
      const startMember = (n: number): void => void (members[n] = startIngest(join(home, `member-${n}`), env))
      for (const n of [0, 1]) {
        mkdirSync(join(home, `member-${n}`))
        startMember(n)
      }
      const kinds = ['kill one', 'leave and join', 'broker', 'kill both'] as const
      const done: string[] = []
      for (let n = 0; n < faults; n++) {
        const kind = kinds[n % kinds.length] as (typeof kinds)[number]
        await sleep(next() * 1000)
        await inMidInsert(link, topic)
        const victim = n % 2
        if (kind === 'broker') await brokerAgain(next)
        if (kind === 'kill one' || kind === 'leave and join') {
          await end(members[victim] as ChildProcess, kind === 'kill one' ? 'SIGKILL' : 'SIGTERM')
          startMember(victim)
        }
        if (kind === 'kill both') {
          for (const [m, member] of members.entries()) {
            await end(member, 'SIGKILL')
            startMember(m)
          }
        }
        done.push(kind)
      }
      await inMidInsert(link, topic)
      enough.abort()
      await load
      await until('everything is shipped', async () => (await source.lagBytes(shipperConsumer)) === 0, { timeoutMs: 90_000 })
      await until('everything is read', async () => (await lagOf(link, topic)) === 0, { timeoutMs: 120_000, everyMs: 500 })
      for (const member of members) await end(member, 'SIGTERM')
      const db = await openDb({ clickhouseUrl: clickHouse.url, dataDir: home })
      onTestFinished(() => db.close())
      console.log(`seed ${seed}: ${done.join(', ')}; issued ${issued}, shipped ${shipper.state.events}`)
      expect(issued).toBeGreaterThan(faults * 20)
      expect(await toldBy(db)).toEqual(expected(issued))
    },
    300_000 + faults * 60_000,
  )

  test(
    `proxy, Kafka and hub, ${faults} kills (seed ${seed}): the checker finds nothing lost, double or wrong`,
    async () => {
      const topic = 'whole-house'
      const next = randomFrom(seed)
      const fake = await startFakeProvider()
      onTestFinished(() => fake.close())
      const house = await openHouse({
        yaml: `kafka: { topic: ${topic} }\n${providersAt(fake.origin, ['openai', 'anthropic', 'gemini'])}`,
        env: { KAFKA_BROKERS: kafka.brokers },
      })
      onTestFinished(() => house.stop())
      const link = openLink()
      await link.ensure([eventsTopic(topic)])
      const load = startLoad({ proxy: house.proxy, fake, perSecond: 60, seed })
      let crashes = 0
      for (let n = 0; n < faults; n++) {
        await inMidInsert(link, topic)
        if (n % 3 === 2) await brokerAgain(next)
        else {
          const victim = n % 3 === 0 ? 'hub' : 'proxy'
          const pid = await until(`the ${victim} to run`, () => roleOf(house.supervisor, victim), { timeoutMs: 60_000 })
          process.kill(pid, 'SIGKILL')
          crashes++
        }
        await sleep(500 + next() * 1500)
      }
      await until(
        'proxy and hub to answer',
        async () => (await fetch(`${house.proxy}/readyz`)).ok && (await house.query('SELECT 1')),
        {
          timeoutMs: 60_000,
        },
      )
      await sleep(500)
      await load.stop()
      const verdicts = async () =>
        check({
          client: load.client(),
          upstream: load.upstream(),
          rows: await storedCalls(house),
          rowSums: await rowSums(house),
          rollups: await rollupSums(house),
        })
      const last = await until(
        'every call to have its row',
        async () => {
          const now = await verdicts()
          return now.lost.length === 0 && (await lagOf(link, topic)) === 0 && now
        },
        { timeoutMs: 120_000, everyMs: 500 },
      ).catch(verdicts)
      const line = lineOf(last, { seed, crashes })
      console.log(line)
      const { lost, double, wrong } = last
      expect({ line, lost: lost.slice(0, 10), double: double.slice(0, 10), wrong: wrong.slice(0, 10) }).toEqual({
        line,
        lost: [],
        double: [],
        wrong: [],
      })
      expect(last.finished).toBeGreaterThan(last.issued / 4)
    },
    300_000 + faults * 60_000,
  )
})
