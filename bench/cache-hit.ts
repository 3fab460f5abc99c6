import { wholeNumber } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody, type LoadResult } from './support/driver.js'
import { askSql, openaiAt, untilStored, withWeir, type House } from './support/house.js'
import { median } from './support/median.js'
import { forkHelper, usageOf } from './support/processes.js'
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
const storeLimitMs = 240_000

const settings: readonly Setting[] = [
  { name: 'JSON, 1 KB', streaming: false, concurrency: 1 },
  { name: 'JSON, 1 KB', streaming: false, concurrency: 32 },
  { name: 'SSE, 50 chunks', streaming: true, concurrency: 1 },
  { name: 'SSE, 50 chunks', streaming: true, concurrency: 32 },
]

/** Fills the cache and looks at what comes out of it. @returns The calls it took, all but the first of each form a hit. */
const fill = async (house: House): Promise<number> => {
  let calls = 0
  for (const streaming of [false, true]) {
    // The driver's own call is another one than ours: it has its key by the first leg.
    await drive({ port: house.proxy, path, streaming, concurrency: 1, seconds: 0.2, headers: header }).then(({ sent }) => {
      calls += sent
    })
    for (let n = 0; n < 2; n++) {
      const body = await fetchBody(house.proxy, path, streaming, { accept, 'weir-cache-enabled': 'true' })
      calls++
      if (!body.equals(streaming ? wantedStream : wantedJson))
        throw new BenchFailed("The answer from the cache is not the upstream's.")
    }
  }
  return calls
}

const checkRows = async (house: House, calls: number): Promise<void> => {
  const [rows, ids, hits, paid] = await askSql(
    house,
    "SELECT count(), uniqExact(request_id), countIf(outcome = 'cached' AND cost_total = 0 AND cost_saved > 0), countIf(outcome = 'complete') FROM requests",
  )
  if (rows !== calls || ids !== calls || hits === undefined || paid === undefined || hits + paid !== calls || paid > 4)
    throw new BenchFailed(
      `${calls} calls left ${rows} rows, ${ids} of them different, ${hits} hits and ${paid} that were sent on.`,
    )
}

const runAll = async ({ seconds, rounds }: Options, say: (line: string) => void): Promise<Report> => {
  const upstream = await forkHelper('upstream')
  try {
    return await withWeir(openaiAt(upstream.port), async (house) => {
      let calls = await fill(house)
      const rows: (string | number)[][] = []
      const middles = new Map<string, number>()
      for (const { name, streaming, concurrency } of settings) {
        const load = { port: house.proxy, path, streaming, concurrency, headers: header }
        // V8 compiles for some 20,000 calls.
        calls += (await drive({ ...load, seconds: seconds * 2 })).sent
        await untilStored(house, calls, storeLimitMs)
        const legs: Leg[] = []
        for (let round = 0; round < rounds; round++) {
          const before = usageOf(house.pids.proxy)
          const result = await drive({ ...load, seconds })
          const after = usageOf(house.pids.proxy)
          if (result.failures > 0) throw new BenchFailed(`${result.failures} calls failed.`)
          calls += result.sent
          // Ingest works off one leg before the next begins: the two share the machine.
          await untilStored(house, calls, storeLimitMs)
          legs.push({ ...result, cpuUs: (after.cpuUs - before.cpuUs) / result.calls, rssMiB: after.rssMiB })
        }
        const of = (field: 'perSecond' | 'p50' | 'p99' | 'cpuUs' | 'rssMiB'): number => median(legs.map((leg) => leg[field]))
        rows.push([`${name}, concurrency ${concurrency}`, of('perSecond'), of('p50'), of('p99'), of('cpuUs'), of('rssMiB')])
        middles.set(`${streaming} ${concurrency} perSecond`, of('perSecond'))
        middles.set(`${streaming} ${concurrency} p50`, of('p50'))
        say(`${name}, concurrency ${concurrency}: ${Math.round(of('perSecond'))}/s`)
      }
      await checkRows(house, calls)
      say(`${calls} calls, ${calls} rows.`)
      return {
        tables: [
          {
            title: 'Hits of the cache',
            columns: ['', 'hits/s', 'p50 ms', 'p99 ms', 'CPU us/hit', 'RSS MiB'],
            rows,
          },
        ],
        targets: [
          atLeast('JSON, concurrency 32: hits a second', middles.get('false 32 perSecond') ?? Number.NaN, 8000),
          atMost('JSON, concurrency 1: p50', middles.get('false 1 p50') ?? Number.NaN, 0.3, ' ms'),
        ],
      }
    })
  } finally {
    await upstream.stop()
  }
}

export const bench: Bench = {
  question: 'how many hits of the cache does one proxy answer, and how long does one take?',
  about: `
One call of 1 KB again and again, as JSON and as SSE of 50 chunks, by way of \`weir start\` with everything on: each hit is canonicalized, keyed, found,
answered and journaled. Medians of rounds, after twice as long to warm up. Bytes are compared before the clock starts; at the end every hit
has its row, which costs nothing and says what it saved.`,
  flags: {
    seconds: { type: 'string', value: 'n', help: 'of each leg (3)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' },
  },
  run: (values, say) => runAll({ seconds: wholeNumber(values, 'seconds', 3), rounds: wholeNumber(values, 'rounds', 3) }, say),
}
