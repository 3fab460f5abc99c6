import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { openKafkaSource } from '../journal/kafka/kafka-source.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { openJournal } from '../journal/open.js'
import type { JournalWriter } from '../journal/port.js'
import { append, testFolder } from '../journal/testing.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { openTcpRelay, type TcpRelay } from './support/tcp-relay.js'
import { until } from './support/wait.js'

// The shipper as a proxy runs it, in its thread, while the broker stands still, the link is cut, and the thread is killed
// (reliability.md §3).

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const idOf = (n: number): string => `call-${String(n).padStart(9, '0')}`
/** Workers need the built files. */
const threads = async (): Promise<typeof import('../journal/kafka/shipper-thread.js')> =>
  (await import(
    new URL('../dist/journal/kafka/shipper-thread.js', import.meta.url).href
  )) as typeof import('../journal/kafka/shipper-thread.js')

describe.skipIf(kafkaJars === null)('the shipper through outages (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  let kafka: Kafka
  let relay: TcpRelay
  beforeAll(async () => {
    relay = await openTcpRelay()
    kafka = await startKafka({ dir, advertised: `127.0.0.1:${relay.port}` })
    relay.lead(Number(kafka.brokers.split(':')[1]))
  }, 120_000)
  afterAll(async () => {
    kafka?.nodes[0]?.signal('SIGCONT')
    await kafka?.stop()
    await relay?.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const access = () => ({ brokers: [`127.0.0.1:${relay.port}`], ssl: false, sasl: null, clientId: 'weir-test' })

  /** A journal that is written to, 50 events a second, and the thread that ships it. */
  const shipping = async (topic: string) => {
    const journalDir = testFolder()
    const journal: JournalWriter = await openJournal({ dir: journalDir, durability: 'off', limitBytes: 1024 ** 3, now: Date.now })
    const workers: Worker[] = []
    const said: string[] = []
    const { startShipperThread } = await threads()
    const thread = startShipperThread({
      work: { journalDir, dlqDir: join(journalDir, 'dlq'), access: access(), topic, maxMessageBytes: 1_000_000 },
      log: (sentence) => void said.push(sentence),
      open: (script, options) => {
        const worker = new Worker(script, options)
        workers.push(worker)
        return worker
      },
    })
    const enough = new AbortController()
    let appended = 0
    let failed = 0
    const load = (async () => {
      while (!enough.signal.aborted) {
        if ((await append(journal, 'end', idOf(appended++), { body: 'x'.repeat(500) })) !== null) failed++
        await sleep(20)
      }
    })()
    onTestFinished(async () => {
      enough.abort()
      await load
      await thread.stop(0)
      await journal.close()
    })
    return {
      thread,
      workers,
      said,
      appended: () => appended,
      async end(): Promise<{ lost: number; double: number; failed: number }> {
        enough.abort()
        await load
        await until('everything is shipped', () => thread.state().lagBytes === 0 && thread.state().trouble === null, {
          timeoutMs: 90_000,
        })
        const link = kafkajsLink({ access: access(), complain: () => undefined })
        onTestFinished(() => link.close())
        const source = openKafkaSource({ link, topic, group: `read-${topic}` })
        const seen = new Map<string, boolean>()
        let double = 0
        await until(
          'everything is read',
          async () => {
            for (const partition of await source.partitions()) {
              const { committed } = await source.progress(partition, '')
              const records = await source.read(partition, committed, 10_000, 1e9)
              for (const { payload, doubt } of records) {
                const { id } = decodeExchange(payload)
                if (seen.has(id) && !doubt) double++
                seen.set(id, doubt)
              }
              const last = records.at(-1)
              if (last !== undefined) await source.commit(partition, '', last.next)
            }
            return seen.size > 0 && (await source.lagBytes('')) === 0
          },
          { timeoutMs: 90_000, everyMs: 200 },
        )
        const lost = Array.from({ length: appended }, (_, n) => idOf(n)).filter((id) => !seen.has(id)).length
        return { lost, double, failed }
      },
    }
  }
  const well = { lost: 0, double: 0, failed: 0 }
  type Shipping = Awaited<ReturnType<typeof shipping>>
  const moving = async ({ thread }: Shipping, what: string, timeoutMs = 60_000): Promise<void> => {
    const before = thread.state().events
    await until(what, () => thread.state().trouble === null && thread.state().events > before, { timeoutMs, everyMs: 20 })
  }

  test('the thread is killed, three times: another is there within 5 s, appends never wait for it', async () => {
    const shipped = await shipping('thread')
    for (let n = 0; n < 3; n++) {
      await moving(shipped, 'events are shipped')
      const before = shipped.appended()
      const killedAt = Date.now()
      await shipped.workers.at(-1)?.terminate()
      await until('another thread', () => shipped.workers.length === n + 2, { timeoutMs: 5000, everyMs: 20 })
      expect(Date.now() - killedAt).toBeLessThan(5000)
      await until('events are appended', () => shipped.appended() > before + 20, { timeoutMs: 20_000 })
    }
    await moving(shipped, 'events are shipped again')
    expect(await shipped.end()).toEqual(well)
  }, 180_000)

  test('the broker stands still for 15 s: nothing is lost, and shipping goes on', async () => {
    const shipped = await shipping('standstill')
    await moving(shipped, 'events are shipped')
    const [node] = kafka.nodes
    node?.signal('SIGSTOP')
    const before = shipped.appended()
    await sleep(15_000)
    node?.signal('SIGCONT')
    expect(shipped.appended()).toBeGreaterThan(before + 100)
    await moving(shipped, 'events are shipped again')
    expect(await shipped.end()).toEqual(well)
  }, 240_000)

  test('the link is cut for 10 s, twice: the journal holds what comes, and says why it waits', async () => {
    const shipped = await shipping('cut')
    for (let n = 0; n < 2; n++) {
      await moving(shipped, 'events are shipped')
      relay.cut()
      const trouble = await until('it says so', () => shipped.thread.state().trouble, { timeoutMs: 60_000 })
      expect(trouble.message).toMatch(/^No broker of KAFKA_BROKERS answers/)
      await sleep(10_000)
      expect(shipped.thread.state().lagBytes).toBeGreaterThan(0)
      relay.mend()
    }
    await moving(shipped, 'events are shipped again')
    expect(shipped.said.join(' ')).toContain('they wait in the journal')
    expect(await shipped.end()).toEqual(well)
  }, 240_000)
})
