import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { uuidv7 } from '../core/ids.js'
import { openJournal } from '../journal/open.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody } from './support/driver.js'
import { callEvents } from './support/events.js'
import { checkRows, healthOf, openaiAt, untilStored, withFolder, withWeir } from './support/house.js'
import { median, quantile } from './support/median.js'
import { delaysOf, watchRows } from './support/visibility.js'
import { forkHelper, forkHub, usageOf } from './support/processes.js'
import { startClickHouse, type Server } from './support/servers.js'
import { atLeast, atMost, type Report } from './support/report.js'
import { wantedJson } from './support/upstream.js'

/** Where calls are stored: in the hub itself, or over HTTP in a process beside it. */
const engines = ['embedded', 'clickhouse'] as const
type Engine = (typeof engines)[number]

interface Options {
  readonly engine: Engine
  readonly events: number
  readonly rounds: number
  readonly rate: number
  readonly seconds: number
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** As a proxy would leave them that took `events` calls over the last minutes: a start and an end each. */
const writeJournal = async (dir: string, events: number): Promise<void> => {
  const journal = await openJournal({ dir, durability: 'off', limitBytes: 16 * 1024 ** 3, now: Date.now })
  const fail = (failure: Error | null): void => {
    if (failure !== null) throw failure
  }
  const begunMs = Date.now() - events
  for (let i = 0; i < events; i++) {
    const startedAtMs = begunMs + i
    const id = uuidv7(startedAtMs)
    const { start, end } = callEvents(id, startedAtMs)
    journal.append('start', id, 'default', start, 'off', fail)
    journal.append('end', id, 'default', end, 'off', fail)
    if (i % 200 === 199) await new Promise((resolve) => setImmediate(resolve))
  }
  await journal.close()
}

interface Throughput {
  readonly perSecond: number
  readonly cpuUs: number
  readonly peakMiB: number
}

const storeLimitMs = 300_000

/** Events stored by now, as the hub tells. */
const storedBy = async (hub: { readonly web: string; readonly sql: string }): Promise<number> =>
  (await healthOf(hub)).ingest?.events ?? 0

/** The store of an engine beside the hub, while `use` runs; `null` = there is none. */
const withStore = async <T>(engine: Engine, folder: string, use: (server: Server | null) => Promise<T>): Promise<T> => {
  if (engine === 'embedded') return await use(null)
  const server = await startClickHouse(join(folder, 'clickhouse'))
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** The hub alone on a journal that is there already. The clock runs from the first batch it has stored to the last. */
const throughput = (events: number, engine: Engine): Promise<Throughput> =>
  withFolder(async (folder) => {
    const data = join(folder, '.weir')
    mkdirSync(data, { mode: 0o700 })
    await writeJournal(join(data, 'journal'), events)
    return await withStore(engine, folder, async (server) => {
      const hub = await forkHub(folder, server?.env)
      const usedUs = (): number => usageOf(hub.pid).cpuUs + (server === null ? 0 : usageOf(server.pid()).cpuUs)
      try {
        let first = await storedBy(hub)
        while (first === 0) {
          await pause(20)
          first = await storedBy(hub)
        }
        const from = { at: performance.now(), cpuUs: usedUs() }
        let last = first
        while (last < events) {
          await pause(100)
          last = await storedBy(hub)
          if (performance.now() - from.at > storeLimitMs) throw new BenchFailed(`${last} of ${events} events are stored.`)
        }
        const elapsedMs = performance.now() - from.at
        const cpuUs = usedUs() - from.cpuUs
        await checkRows(hub, events)
        return {
          perSecond: ((last - first) * 1000) / elapsedMs,
          cpuUs: cpuUs / (last - first),
          peakMiB: usageOf(hub.pid).peakMiB,
        }
      } finally {
        await hub.stop()
      }
    })
  })

const visibility = async ({
  rate,
  seconds,
  engine,
}: Options): Promise<{ readonly p50: number; readonly p99: number; readonly calls: number }> => {
  const upstream = await forkHelper('upstream')
  const path = `/openai${chatPath}`
  try {
    return await withFolder((folder) =>
      withStore(engine, folder, (server) =>
        withWeir(
          openaiAt(upstream.port),
          async (house) => {
            if (!(await fetchBody(house.proxy, path, false)).equals(wantedJson))
              throw new BenchFailed("The answer is not the upstream's.")
            await untilStored(house, 1, storeLimitMs)
            const over = new AbortController()
            const watching = watchRows(house, over.signal, 20)
            const load = await drive({ port: house.proxy, path, streaming: false, concurrency: 16, seconds, rate })
            if (load.failures > 0) throw new BenchFailed(`${load.failures} calls failed.`)
            await untilStored(house, load.sent + 1, storeLimitMs)
            await pause(200)
            over.abort()
            const delays = delaysOf(load.endedAt, await watching, 1)
            await checkRows(house, load.sent + 1)
            return { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99), calls: load.calls }
          },
          server?.env,
        ),
      ),
    )
  } finally {
    await upstream.stop()
  }
}

const runAll = async (options: Options, say: (line: string) => void): Promise<Report> => {
  const { events, rounds, rate, seconds, engine } = options
  const place = engine === 'embedded' ? 'chDB' : 'a ClickHouse server'
  const legs: Throughput[] = []
  for (let round = 1; round <= rounds; round++) {
    const leg = await throughput(events, engine)
    legs.push(leg)
    say(`round ${round} of ${rounds}: ${Math.round(leg.perSecond)} events/s, all rows there`)
  }
  const of = (field: keyof Throughput): number => median(legs.map((leg) => leg[field]))
  const seen = await visibility(options)
  return {
    tables: [
      {
        title: `${events} calls waiting in the journal, 1 KB asked and 1 KB answered, hub alone, into ${place} with all roll-ups`,
        columns: ['events/s', engine === 'embedded' ? 'CPU us/event' : 'CPU us/event with the server', 'hub peak MiB'],
        rows: [[of('perSecond'), of('cpuUs'), of('peakMiB')]],
      },
      {
        title: `from the end of a call to its row in SQL, ${rate} calls/s for ${seconds} s (${seen.calls} calls), everything on`,
        columns: ['p50 ms', 'p99 ms'],
        rows: [[seen.p50, seen.p99]],
      },
    ],
    targets: [
      atLeast(`events/s into ${place}`, of('perSecond'), engine === 'embedded' ? 6000 : 5000),
      atMost(`row visible in SQL, p99 at ${rate}/s`, seen.p99, 2000, ' ms'),
      atMost('hub RSS, the most it had', of('peakMiB'), 900, ' MiB'),
    ],
  }
}

const engineOf = ({ engine = 'embedded' }: Values): Engine => {
  const found = engines.find((known) => known === engine)
  if (found === undefined) throw new UsageError(`--engine: ${engines.join(' or ')}.`)
  return found
}

export const bench: Bench = {
  question: 'how many calls a second does the hub store, and how soon is a call seen in SQL?',
  takes: '3 min',
  about: `
First the hub alone (enrich, both tables, all five roll-ups) on a journal that was written before, from the first batch stored to the last; then the whole house at a steady
rate, SQL asked for the number of rows every 20 ms. Rows and roll-ups are counted at the end of both. With --engine clickhouse the store is a process of its own behind ClickHouse's HTTP
interface, as the tests have it: the embedded engine, not a release of the server.`,
  flags: {
    engine: { type: 'string', value: engines.join('|'), help: 'where calls are stored (embedded)' },
    events: { type: 'string', value: 'n', help: 'calls in the journal (60000)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' },
    rate: { type: 'string', value: 'n', help: 'calls a second for the second question (1000)' },
    seconds: { type: 'string', value: 'n', help: 'of the second question (20)' },
  },
  run: (values, say) =>
    runAll(
      {
        engine: engineOf(values),
        events: wholeNumber(values, 'events', 60_000, 5000),
        rounds: wholeNumber(values, 'rounds', 3),
        rate: wholeNumber(values, 'rate', 1000),
        seconds: wholeNumber(values, 'seconds', 20),
      },
      say,
    ),
}
