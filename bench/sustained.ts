import { wholeNumber } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody } from './support/driver.js'
import { checkRows, openaiAt, untilStored, withWeir } from './support/house.js'
import { forkHelper, usageOf } from './support/processes.js'
import { atLeast, atMost, type Report } from './support/report.js'
import { wantedJson } from './support/upstream.js'

interface Options {
  readonly rate: number
  readonly seconds: number
  readonly concurrency: number
}

const lagLimitMs = 180_000
/** Calls a second asked for beyond those that count: one may be late here and there. */
const spare = 1.02
const warmUpSeconds = 5
const path = `/openai${chatPath}`

const sustain = async ({ rate, seconds, concurrency }: Options, say: (line: string) => void): Promise<Report> => {
  const upstream = await forkHelper('upstream')
  try {
    return await withWeir(openaiAt(upstream.port), async (house) => {
      if (!(await fetchBody(house.proxy, path, false)).equals(wantedJson))
        throw new BenchFailed("The answer is not the upstream's.")
      const { proxy, hub } = house.pids
      const hubBefore = usageOf(hub).cpuUs
      const ask = { port: house.proxy, path, streaming: false, concurrency, rate: rate * spare }
      const warmUp = await drive({ ...ask, seconds: Math.min(seconds, warmUpSeconds) })
      const proxyBefore = usageOf(proxy).cpuUs
      const load = await drive({ ...ask, seconds })
      const [proxyAfter, hubAfter] = [usageOf(proxy), usageOf(hub)]
      const failures = warmUp.failures + load.failures
      if (failures > 0) throw new BenchFailed(`${failures} calls failed.`)
      const sent = 1 + warmUp.sent + load.sent
      say(`${load.calls} calls, ${Math.round(load.perSecond)}/s. Waiting for ingest.`)
      const lagMs = await untilStored(house, sent, lagLimitMs)
      await checkRows(house, sent)
      const hubEnd = usageOf(hub)
      return {
        tables: [
          {
            title: `${rate} calls/s wanted for ${seconds} s after ${warmUpSeconds} s to warm up, ${concurrency} connections; ${sent} calls, as many rows`,
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
        ],
        targets: [
          atLeast(`calls/s for ${seconds} s`, load.perSecond, rate),
          atMost('seconds until nothing is left in the journal', lagMs / 1000, 30, ' s'),
          atMost('proxy RSS at the end', proxyAfter.rssMiB, 150, ' MiB'),
          atMost('hub RSS, the most it had', hubEnd.peakMiB, 900, ' MiB'),
        ],
      }
    })
  } finally {
    await upstream.stop()
  }
}

export const bench: Bench = {
  question: 'does ingest keep up with 2,500 calls a second for a minute, and how much memory does that take?',
  takes: '7 min',
  about: `
A driver that keeps to its rate, and 2 % more, sends JSON calls of 1 KB by way of \`weir start\`. Latency is counted from when a call was due. At the
end: how long until every call is stored, and whether rows and calls are as many.`,
  flags: {
    rate: { type: 'string', value: 'n', help: 'calls a second (2500)' },
    seconds: { type: 'string', value: 'n', help: 'how long (60)' },
    concurrency: { type: 'string', value: 'n', help: 'connections (64)' },
  },
  run: (values, say) =>
    sustain(
      {
        rate: wholeNumber(values, 'rate', 2500),
        seconds: wholeNumber(values, 'seconds', 60),
        concurrency: wholeNumber(values, 'concurrency', 64),
      },
      say,
    ),
}
