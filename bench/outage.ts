import { join } from 'node:path'
import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, fetchBody, startDriving, type Driving } from './support/driver.js'
import { askSql, checkRows, openaiAt, untilStored, withFolder, withWeir, type House } from './support/house.js'
import { quantile } from './support/median.js'
import { forkHelper, usageOf } from './support/processes.js'
import { atMost, type Report, type Target } from './support/report.js'
import { startBroker, startClickHouse, type Server } from './support/servers.js'
import { wantedJson } from './support/upstream.js'

const stores = ['clickhouse', 'kafka'] as const
type Store = (typeof stores)[number]
const starts: Readonly<Record<Store, (dir: string) => Promise<Server>>> = { clickhouse: startClickHouse, kafka: startBroker }

interface Options {
  readonly stores: readonly Store[]
  readonly minutes: number
  readonly rate: number
  /** Of steady load before the outage. */
  readonly beforeSeconds: number
  readonly concurrency: number
  readonly warmUpSeconds: number
}

const path = `/openai${chatPath}`
const catchUpLimitMs = 900_000
/** A row is seen some time after its call: who is behind by no more has caught up. */
const usualLagMs = 3000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Of the calls that ended in a span of time. */
const p99Between = ({ endedAt, latencies }: Driving, from: number, to: number): number =>
  quantile(Float64Array.from(latencies.filter((_, i) => (endedAt[i] ?? 0) >= from && (endedAt[i] ?? 0) < to)).sort(), 0.99)

/** Calls that had ended so long ago. */
const endedBefore = ({ endedAt }: Driving, at: number): number => {
  let n = endedAt.length
  while (n > 0 && (endedAt[n - 1] ?? 0) > at) n--
  return n
}

const rowsIn = async (house: House): Promise<number> => (await askSql(house, 'SELECT count() FROM requests'))[0] ?? 0

/** @returns When every call that ended some seconds before had its row, while others go on. */
const caughtUp = async (house: House, driving: Driving, before: number, say: (line: string) => void): Promise<number> => {
  const begun = performance.now()
  for (let toldAt = begun; ;) {
    const rows = await rowsIn(house).catch(() => 0)
    const now = performance.now()
    const wanted = before + endedBefore(driving, now - usualLagMs)
    if (rows >= wanted) return now
    if (now - begun > catchUpLimitMs)
      throw new BenchFailed(`After ${catchUpLimitMs / 1000} s ${rows} of ${wanted} rows are there.`)
    if (now - toldAt > 10_000) {
      toldAt = now
      say(`${wanted - rows} calls to go`)
    }
    await pause(500)
  }
}

interface Outcome {
  readonly store: Store
  readonly waiting: number
  readonly caughtUpS: number
  readonly before: number
  readonly during: number
  readonly after: number
  readonly calls: number
  readonly proxyPeakMiB: number
  readonly hubPeakMiB: number
}

const outage = async (
  store: Store,
  server: Server,
  house: House,
  options: Options,
  say: (line: string) => void,
): Promise<Outcome> => {
  const { minutes, rate, beforeSeconds, concurrency, warmUpSeconds } = options
  if (!(await fetchBody(house.proxy, path, false)).equals(wantedJson)) throw new BenchFailed("The answer is not the upstream's.")
  const driving = startDriving({ port: house.proxy, path, streaming: false, concurrency, sessions: 100, rate })
  await pause(warmUpSeconds * 1000)
  say(`${store}: warm; ${beforeSeconds} s before the outage`)
  const warmAt = performance.now()
  await pause(beforeSeconds * 1000)
  const killedAt = performance.now()
  await server.kill()
  for (let left = minutes; left > 0; left--) {
    say(`${store} is away, ${left.toFixed(1)} min to go; ${driving.endedAt.length} calls`)
    await pause(Math.min(1, left) * 60_000)
  }
  const startedAt = performance.now()
  await server.start()
  const backAt = performance.now()
  const waiting = driving.endedAt.length + 1 - (await rowsIn(house).catch(() => 0))
  say(`${store} is back after ${Math.round((backAt - killedAt) / 1000)} s; ${waiting} calls wait`)
  const doneAt = await caughtUp(house, driving, 1, say)
  say(`${store}: caught up ${((doneAt - backAt) / 1000).toFixed(1)} s after it was back`)
  const load = await driving.stop()
  if (load.failures > 0) throw new BenchFailed(`${load.failures} calls failed.`)
  // The hub may have been started anew and count from 0: rows are counted first.
  const limit = performance.now() + 120_000
  while ((await rowsIn(house)) < load.sent + 1 && performance.now() < limit) await pause(500)
  await untilStored(house, 0, 120_000)
  await checkRows(house, load.sent + 1)
  return {
    store,
    waiting,
    caughtUpS: (doneAt - backAt) / 1000,
    before: p99Between(driving, warmAt, killedAt),
    during: p99Between(driving, killedAt, startedAt),
    after: p99Between(driving, backAt, doneAt),
    calls: load.sent + 1,
    proxyPeakMiB: usageOf(house.pids.proxy).peakMiB,
    hubPeakMiB: usageOf(house.pids.hub).peakMiB,
  }
}

const one = (store: Store, options: Options, say: (line: string) => void): Promise<Outcome> =>
  withFolder(async (folder) => {
    const server = await starts[store](join(folder, store))
    const upstream = await forkHelper('upstream')
    try {
      return await withWeir(openaiAt(upstream.port), (house) => outage(store, server, house, options, say), server.env)
    } finally {
      await upstream.stop()
      await server.stop()
    }
  })

const targetsOf = ({ store, before, during, caughtUpS }: Outcome): readonly Target[] => [
  atMost(`${store}: seconds until it has caught up while serving`, caughtUpS, 120, ' s'),
  atMost(`${store}: added p99 while it is away`, during - before, 5, ' ms'),
]

const runAll = async (options: Options, say: (line: string) => void): Promise<Report> => {
  const outcomes: Outcome[] = []
  for (const store of options.stores) outcomes.push(await one(store, options, say))
  return {
    tables: [
      {
        title: `${options.rate} calls/s, the store killed and away for ${options.minutes} min; every call has its row once, and every roll-up counts as many`,
        columns: [
          '',
          'calls',
          'waiting when back',
          'caught up after s',
          'p99 before ms',
          'p99 away ms',
          'p99 catching up ms',
          'proxy peak MiB',
          'hub peak MiB',
        ],
        rows: outcomes.map((outcome) => [
          outcome.store,
          outcome.calls,
          outcome.waiting,
          outcome.caughtUpS,
          outcome.before,
          outcome.during,
          outcome.after,
          outcome.proxyPeakMiB,
          outcome.hubPeakMiB,
        ]),
      },
    ],
    targets: outcomes.flatMap(targetsOf),
  }
}

const storesOf = ({ store }: Values): readonly Store[] => {
  if (store === undefined) return stores
  const found = stores.find((known) => known === store)
  if (found === undefined) throw new UsageError(`--store: ${stores.join(' or ')}.`)
  return [found]
}

const minutesOf = (values: Values): number => {
  const minutes = Number(values.minutes ?? '10')
  if (!(minutes > 0 && minutes <= 600)) throw new UsageError('--minutes: a number over 0, at most 600.')
  return minutes
}

export const bench: Bench = {
  question: 'what do callers feel while ClickHouse or Kafka is away for ten minutes, and how soon is everything stored after?',
  takes: '27 min (13 for one store)',
  about: `
\`weir start\` on a ClickHouse server (its HTTP interface in a process of its own, as the tests have it), then on a real broker: steady load, the
store killed, away, started again, while calls go on. Caught up is whoever has a row for every call that ended ${usualLagMs / 1000} s before; the clock runs from
when the store takes connections. At the end every call has its row, once, and every roll-up counts as many.`,
  flags: {
    store: { type: 'string', value: stores.join('|'), help: 'one of the two (both, one after the other)' },
    minutes: { type: 'string', value: 'n', help: 'how long it is away (10)' },
    rate: { type: 'string', value: 'n', help: 'calls a second (500)' },
    before: { type: 'string', value: 's', help: 'seconds of load before, whose p99 is compared (60)' },
    concurrency: { type: 'string', value: 'n', help: 'connections (32)' },
    'warm-up': { type: 'string', value: 's', help: 'seconds of load before anything is measured (20)' },
  },
  run: (values, say) =>
    runAll(
      {
        stores: storesOf(values),
        minutes: minutesOf(values),
        rate: wholeNumber(values, 'rate', 500),
        beforeSeconds: wholeNumber(values, 'before', 60),
        concurrency: wholeNumber(values, 'concurrency', 32),
        warmUpSeconds: wholeNumber(values, 'warm-up', 20),
      },
      say,
    ),
}
