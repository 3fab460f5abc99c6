import { join } from 'node:path'
import { wholeNumber } from '../cli/command.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { eventsTopic } from '../journal/kafka/topics.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody } from './support/driver.js'
import { checkRows, openaiAt, untilStored, withFolder, withWeir } from './support/house.js'
import { quantile } from './support/median.js'
import { forkHelper, usageOf } from './support/processes.js'
import { atLeast, atMost, type Report } from './support/report.js'
import { startBroker, type Server } from './support/servers.js'
import { wantedJson } from './support/upstream.js'
import { delaysOf, watchRows } from './support/visibility.js'

interface Options {
  readonly rate: number
  readonly seconds: number
  readonly concurrency: number
  readonly warmUp: number
  readonly sessions: number
  /** Of the topic; `null` = as Weir makes it. */
  readonly partitions: number | null
}

const path = `/openai${chatPath}`
const storeLimitMs = 300_000
/** `kafka.topic` where nothing is set. */
const topic = 'weir.exchanges.v1'
/** Calls a second asked for beyond those that count: one may be late here and there. */
const spare = 1.02
/** One look at the rows costs the hub a question. */
const lookMs = 100

/** The topic of events, made by somebody who wants another number of partitions than Weir. */
const makeTopic = async ({ env }: Server, partitions: number): Promise<void> => {
  const link = kafkajsLink({
    access: { brokers: (env.KAFKA_BROKERS ?? '').split(','), ssl: false, sasl: null, clientId: 'bench' },
    complain: () => undefined,
  })
  try {
    await link.ensure([{ ...eventsTopic(topic), partitions }])
  } finally {
    await link.close()
  }
}

const run = (
  { rate, seconds, concurrency, warmUp, sessions, partitions }: Options,
  say: (line: string) => void,
): Promise<Report> =>
  withFolder(async (folder) => {
    const broker = await startBroker(join(folder, 'kafka'))
    const upstream = await forkHelper('upstream')
    try {
      if (partitions !== null) await makeTopic(broker, partitions)
      say('A broker runs. Warming up.')
      return await withWeir(
        openaiAt(upstream.port),
        async (house) => {
          if (!(await fetchBody(house.proxy, path, false)).equals(wantedJson))
            throw new BenchFailed("The answer is not the upstream's.")
          const ask = { port: house.proxy, path, streaming: false, concurrency, sessions, rate: rate * spare }
          const warm = await drive({ ...ask, seconds: warmUp })
          await untilStored(house, 1 + warm.sent, storeLimitMs)
          const pids = {
            proxy: house.pids.proxy,
            hub: house.pids.hub,
            broker: broker.pid(),
            upstream: upstream.pid,
            load: process.pid,
          }
          const usages = () => Object.entries(pids).map(([name, pid]) => [name, usageOf(pid)] as const)
          const before = new Map(usages())
          const over = new AbortController()
          const watching = watchRows(house, over.signal, lookMs)
          const load = await drive({ ...ask, seconds })
          say(`${load.calls} calls, ${Math.round(load.perSecond)}/s. Waiting for the last row.`)
          const lagMs = await untilStored(house, 1 + warm.sent + load.sent, storeLimitMs)
          await new Promise((resolve) => setTimeout(resolve, 2 * lookMs))
          over.abort()
          const delays = delaysOf(load.endedAt, await watching, 1 + warm.sent)
          const after = usages()
          const failures = warm.failures + load.failures
          if (failures > 0) throw new BenchFailed(`${failures} calls failed.`)
          await checkRows(house, 1 + warm.sent + load.sent)
          const cpuOf = (name: string, cpuUs: number): number => (cpuUs - (before.get(name)?.cpuUs ?? 0)) / load.calls
          return {
            tables: [
              {
                title: `${rate} calls/s wanted for ${seconds} s after ${warmUp} s to warm up, ${concurrency} connections; ${1 + warm.sent + load.sent} calls, as many rows and counts in every roll-up`,
                columns: ['calls/s', 'p50 ms', 'p99 ms', 'lag p50 ms', 'lag p99 ms', 'last row after s', 'CPU us/call in all'],
                rows: [
                  [
                    load.perSecond,
                    load.p50,
                    load.p99,
                    quantile(delays, 0.5),
                    quantile(delays, 0.99),
                    lagMs / 1000,
                    after.reduce((sum, [name, { cpuUs }]) => sum + cpuOf(name, cpuUs), 0),
                  ],
                ],
              },
              {
                title: 'each process',
                columns: ['', 'CPU us/call', 'RSS MiB', 'peak MiB'],
                rows: after.map(([name, { cpuUs, rssMiB, peakMiB }]) => [name, cpuOf(name, cpuUs), rssMiB, peakMiB]),
              },
            ],
            targets: [
              atLeast(`calls/s through Kafka for ${seconds} s`, load.perSecond, rate),
              atMost('seconds until the last row is there', lagMs / 1000, 30, ' s'),
            ],
          }
        },
        broker.env,
      )
    } finally {
      await upstream.stop()
      await broker.stop()
    }
  })

export const bench: Bench = {
  question: 'does everything together, a real Kafka between proxy and ingest, keep up with 2,500 calls a second?',
  takes: '3 min',
  about: `
Load, proxy, journal, shipper, a real broker (KRaft, one node), consumer group, enrich, chDB with all roll-ups, on one machine. JSON calls of
1 KB at a steady rate and 2 % more; SQL is asked for the number of rows every ${lookMs} ms, for the time from a call's end to its row. At the end every call has its
row, once, and every roll-up counts as many. Fails when a call is lost or double.`,
  flags: {
    rate: { type: 'string', value: 'n', help: 'calls a second (2500)' },
    seconds: { type: 'string', value: 'n', help: 'how long (60)' },
    concurrency: { type: 'string', value: 'n', help: 'connections (64)' },
    sessions: { type: 'string', value: 'n', help: 'sessions the calls belong to: each lies in one partition (100)' },
    partitions: { type: 'string', value: 'n', help: 'of a topic that is made before (as Weir makes it: 12)' },
    'warm-up': { type: 'string', value: 's', help: 'seconds before the clock starts (15)' },
  },
  run: (values, say) =>
    run(
      {
        rate: wholeNumber(values, 'rate', 2500),
        seconds: wholeNumber(values, 'seconds', 60),
        concurrency: wholeNumber(values, 'concurrency', 64),
        sessions: wholeNumber(values, 'sessions', 100),
        partitions: values.partitions === undefined ? null : wholeNumber(values, 'partitions', 12),
        warmUp: wholeNumber(values, 'warm-up', 15),
      },
      say,
    ),
}
