import { wholeNumber } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody, type LoadResult } from './support/driver.js'
import { checkRows, openaiAt, untilStored, withWeir } from './support/house.js'
import { forkHelper, usageOf } from './support/processes.js'
import { atLeast, atMost, type Report } from './support/report.js'
import { wantedJson2K } from './support/upstream.js'

interface Options {
  readonly rate: number
  readonly seconds: number
  readonly concurrency: number
  readonly calmRate: number
  readonly calmSeconds: number
}

const lagLimitMs = 180_000
/** Calls a second asked for beyond those that count: one may be late here and there. */
const spare = 1.02
const warmUpSeconds = 5
const calmConcurrency = 32
const path = `/openai${chatPath}`

const failed = (loads: readonly LoadResult[]): void => {
  const failures = loads.reduce((sum, load) => sum + load.failures, 0)
  if (failures > 0) throw new BenchFailed(`${failures} calls failed.`)
}

const sustain = async (options: Options, say: (line: string) => void): Promise<Report> => {
  const { rate, seconds, concurrency, calmRate, calmSeconds } = options
  const upstream = await forkHelper('upstream', { BENCH_2K: '1' })
  try {
    return await withWeir(openaiAt(upstream.port), async (house) => {
      if (!(await fetchBody(house.proxy, path, false)).equals(wantedJson2K))
        throw new BenchFailed("The answer is not the upstream's.")
      const { proxy, hub } = house.pids
      const hubBefore = usageOf(hub).cpuUs
      const ask = { port: house.proxy, path, streaming: false, concurrency, sessions: 100, rate: rate * spare }
      const warmUp = await drive({ ...ask, seconds: Math.min(seconds, warmUpSeconds) })
      const proxyBefore = usageOf(proxy).cpuUs
      const load = await drive({ ...ask, seconds })
      const [proxyAfter, hubAfter] = [usageOf(proxy), usageOf(hub)]
      const sent = 1 + warmUp.sent + load.sent
      say(`${load.calls} calls, ${Math.round(load.perSecond)}/s. Waiting for ingest.`)
      const lagMs = await untilStored(house, sent, lagLimitMs)
      const hubEnd = usageOf(hub)
      say(`Everything is stored. ${calmRate} calls/s, direct and by way of Weir.`)
      const calm = { ...ask, concurrency: calmConcurrency, seconds: calmSeconds, rate: calmRate }
      const direct = await drive({ ...calm, port: upstream.port, path: chatPath })
      const weir = await drive(calm)
      failed([warmUp, load, direct, weir])
      await untilStored(house, sent + weir.sent, lagLimitMs)
      await checkRows(house, sent + weir.sent)
      return {
        tables: [
          {
            title: `${rate} calls/s wanted for ${seconds} s after ${warmUpSeconds} s to warm up, 1 KB up and 2 KB down, ${concurrency} connections; ${sent} calls, as many rows`,
            columns: [
              'calls/s',
              'p50 ms',
              'p99 ms',
              'lag 0 after s',
              'proxy us/call',
              'hub us/call',
              'proxy RSS MiB',
              'hub RSS MiB',
              'hub peak MiB',
            ],
            rows: [
              [
                load.perSecond,
                load.p50,
                load.p99,
                lagMs / 1000,
                (proxyAfter.cpuUs - proxyBefore) / load.calls,
                (hubEnd.cpuUs - hubBefore) / sent,
                proxyAfter.rssMiB,
                hubAfter.rssMiB,
                hubEnd.peakMiB,
              ],
            ],
          },
          {
            title: `${calmRate} calls/s for ${calmSeconds} s, ${calmConcurrency} connections`,
            columns: ['', 'calls/s', 'p50 ms', 'p99 ms'],
            rows: [
              ['direct', direct.perSecond, direct.p50, direct.p99],
              ['weir', weir.perSecond, weir.p50, weir.p99],
            ],
          },
        ],
        targets: [
          atLeast(`calls/s for ${seconds} s`, load.perSecond, rate),
          atMost('seconds until nothing is left in the journal', lagMs / 1000, 30, ' s'),
          atMost('proxy RSS at the end', proxyAfter.rssMiB, 150, ' MiB'),
          atMost('hub RSS, the most it had', hubEnd.peakMiB, 900, ' MiB'),
          atMost(`added p50 at ${calmRate}/s`, weir.p50 - direct.p50, 1, ' ms'),
          atMost(`added p99 at ${calmRate}/s`, weir.p99 - direct.p99, 10, ' ms'),
        ],
      }
    })
  } finally {
    await upstream.stop()
  }
}

export const bench: Bench = {
  question: 'does ingest keep up with 2,500 calls a second for five minutes, and what do calls feel of it at 1,000?',
  takes: '7 min',
  about: `
A driver that keeps to its rate, and 2 % more, sends JSON calls of 1 KB by way of \`weir start\`, answered with 2 KB. Latency is counted from
when a call was due. At the end: how long until every call is stored. Then a lower rate, direct and by way of Weir: what is added. Rows and
roll-ups are counted last.`,
  flags: {
    rate: { type: 'string', value: 'n', help: 'calls a second (2500)' },
    seconds: { type: 'string', value: 'n', help: 'how long (300)' },
    concurrency: { type: 'string', value: 'n', help: 'connections (64)' },
    'calm-rate': { type: 'string', value: 'n', help: 'calls a second of the second part (1000)' },
    'calm-seconds': { type: 'string', value: 'n', help: 'of each leg of the second part (30)' },
  },
  run: (values, say) =>
    sustain(
      {
        rate: wholeNumber(values, 'rate', 2500),
        seconds: wholeNumber(values, 'seconds', 300),
        concurrency: wholeNumber(values, 'concurrency', 64),
        calmRate: wholeNumber(values, 'calm-rate', 1000),
        calmSeconds: wholeNumber(values, 'calm-seconds', 30),
      },
      say,
    ),
}
