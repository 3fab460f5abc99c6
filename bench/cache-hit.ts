import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wholeNumber } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody, type LoadResult } from './support/driver.js'
import { askSql, openaiAt, untilStored, withFolder, type Hub } from './support/house.js'
import { median } from './support/median.js'
import { forkHelper, forkHub, forkProxy, usageOf, type Helper } from './support/processes.js'
import { atLeast, atMost, type Report } from './support/report.js'
import { wantedJson, wantedStream } from './support/upstream.js'

interface Options {
  readonly seconds: number
  readonly rounds: number
}

interface Leg extends LoadResult {
  readonly cpuUs: number
  readonly rssMiB: number
}

interface Setting {
  readonly name: string
  readonly streaming: boolean
  readonly concurrency: number
}

const path = `/openai${chatPath}`
// As the driver sends it: what is not the same is another call.
const accept = 'application/json'
const header = 'weir-cache-enabled: true\r\n'
const storeLimitMs = 600_000

const settings: readonly Setting[] = [
  { name: 'JSON, 1 KB', streaming: false, concurrency: 1 },
  { name: 'JSON, 1 KB', streaming: false, concurrency: 32 },
  { name: 'SSE, 50 chunks', streaming: true, concurrency: 1 },
  { name: 'SSE, 50 chunks', streaming: true, concurrency: 32 },
]

/** Fills the cache and looks at what comes out of it. @returns The calls it took, all but the first of each form a hit. */
const fill = async (port: number): Promise<number> => {
  let calls = 0
  for (const streaming of [false, true]) {
    // The driver's call is another one than ours.
    calls += (await drive({ port, path, streaming, concurrency: 1, seconds: 0.2, headers: header })).sent
    for (let n = 0; n < 2; n++) {
      const body = await fetchBody(port, path, streaming, { accept, 'weir-cache-enabled': 'true' })
      calls++
      if (!body.equals(streaming ? wantedStream : wantedJson))
        throw new BenchFailed("The answer from the cache is not the upstream's.")
    }
  }
  return calls
}

const checkRows = async (hub: Hub, calls: number): Promise<void> => {
  const [rows, ids, hits, paid] = await askSql(
    hub,
    "SELECT count(), uniqExact(request_id), countIf(outcome = 'cached' AND cost_total = 0 AND cost_saved > 0), countIf(outcome = 'complete') FROM requests",
  )
  if (rows !== calls || ids !== calls || hits === undefined || paid === undefined || hits + paid !== calls || paid > 4)
    throw new BenchFailed(
      `${calls} calls left ${rows} rows, ${ids} of them different, ${hits} hits and ${paid} that were sent on.`,
    )
}

type Middle = Record<'perSecond' | 'p50' | 'p99' | 'cpuUs' | 'rssMiB', number>

const runSetting = async (proxy: Helper, { streaming, concurrency }: Setting, { seconds, rounds }: Options) => {
  const load = { port: proxy.port, path, streaming, concurrency, headers: header }
  // V8 compiles for some 20,000 calls.
  let calls = (await drive({ ...load, seconds: seconds * 2 })).sent
  const legs: Leg[] = []
  for (let round = 0; round < rounds; round++) {
    const before = usageOf(proxy.pid)
    const result = await drive({ ...load, seconds })
    const after = usageOf(proxy.pid)
    if (result.failures > 0) throw new BenchFailed(`${result.failures} calls failed.`)
    calls += result.sent
    legs.push({ ...result, cpuUs: (after.cpuUs - before.cpuUs) / result.calls, rssMiB: after.rssMiB })
  }
  const of = (field: keyof Middle): number => median(legs.map((leg) => leg[field]))
  const middle: Middle = { perSecond: of('perSecond'), p50: of('p50'), p99: of('p99'), cpuUs: of('cpuUs'), rssMiB: of('rssMiB') }
  return { calls, middle }
}

const measured = async (folder: string, options: Options, say: (line: string) => void) => {
  const proxy = await forkProxy(folder)
  try {
    let calls = await fill(proxy.port)
    const middles: Middle[] = []
    for (const setting of settings) {
      const { calls: sent, middle } = await runSetting(proxy, setting, options)
      calls += sent
      middles.push(middle)
      say(`${setting.name}, concurrency ${setting.concurrency}: ${Math.round(middle.perSecond)}/s`)
    }
    return { calls, middles }
  } finally {
    await proxy.stop()
  }
}

const runAll = (options: Options, say: (line: string) => void): Promise<Report> =>
  withFolder(async (folder) => {
    const upstream = await forkHelper('upstream')
    try {
      writeFileSync(join(folder, 'weir.yaml'), openaiAt(upstream.port))
      const { calls, middles } = await measured(folder, options, say)
      const hub = await forkHub(folder)
      try {
        await untilStored(hub, calls, storeLimitMs)
        await checkRows(hub, calls)
      } finally {
        await hub.stop()
      }
      say(`${calls} calls, ${calls} rows.`)
      const at = (name: keyof Middle, concurrency: number): number =>
        middles[settings.findIndex((setting) => !setting.streaming && setting.concurrency === concurrency)]?.[name] ?? Number.NaN
      return {
        tables: [
          {
            title: 'Hits of the cache',
            columns: ['', 'hits/s', 'p50 ms', 'p99 ms', 'CPU us/hit', 'RSS MiB'],
            rows: middles.map(({ perSecond, p50, p99, cpuUs, rssMiB }, n) => {
              const { name, concurrency } = settings[n] as Setting
              return [`${name}, concurrency ${concurrency}`, perSecond, p50, p99, cpuUs, rssMiB]
            }),
          },
        ],
        targets: [
          atLeast('JSON, concurrency 32: hits a second', at('perSecond', 32), 8000),
          atMost('JSON, concurrency 1: p50', at('p50', 1), 0.3, ' ms'),
        ],
      }
    } finally {
      await upstream.stop()
    }
  })

export const bench: Bench = {
  question: 'how many hits of the cache does one proxy answer, and how long does one take?',
  takes: '2 min',
  about: `
One call of 1 KB again and again, as JSON and as SSE of 50 chunks, by way of \`weir proxy\`: each hit is canonicalized, keyed, found,
answered and journaled. Ingest has no part in it, and reads the journal when the clock has stopped. Medians of rounds, after twice as long to warm up. Bytes are compared before the clock starts; at the end every hit
has its row, which costs nothing and says what it saved.`,
  flags: {
    seconds: { type: 'string', value: 'n', help: 'of each leg (3)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' },
  },
  run: (values, say) => runAll({ seconds: wholeNumber(values, 'seconds', 3), rounds: wholeNumber(values, 'rounds', 3) }, say),
}
