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
const path = `/openai${chatPath}`

const sustain = async ({ rate, seconds, concurrency }: Options, say: (line: string) => void): Promise<Report> => {
  const upstream = await forkHelper('upstream')
  try {
    return await withWeir(openaiAt(upstream.port), async (house) => {
      if (!(await fetchBody(house.proxy, path, false)).equals(wantedJson))
        throw new BenchFailed("The answer is not the upstream's.")
      const { proxy, hub } = house.pids
      const before = { proxy: usageOf(proxy).cpuUs, hub: usageOf(hub).cpuUs }
      const load = await drive({ port: house.proxy, path, streaming: false, concurrency, seconds, rate })
      const [proxyAfter, hubAfter] = [usageOf(proxy), usageOf(hub)]
      if (load.failures > 0) throw new BenchFailed(`${load.failures} calls failed.`)
      say(`${load.calls} calls, ${Math.round(load.perSecond)}/s. Waiting for ingest.`)
      const lagMs = await untilStored(house, load.sent + 1, lagLimitMs)
      await checkRows(house, load.sent + 1)
      const hubEnd = usageOf(hub)
      return {
        tables: [
          {
            title: `${rate} calls/s wanted for ${seconds} s, ${concurrency} connections; ${load.sent + 1} calls, as many rows`,
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
                (proxyAfter.cpuUs - before.proxy) / load.calls,
                (hubEnd.cpuUs - before.hub) / load.calls,
                proxyAfter.rssMiB,
                hubAfter.rssMiB,
                hubEnd.peakMiB,
              ],
            ],
          },
        ],
        targets: [
          atLeast(`calls/s for ${seconds} s`, Math.round(load.perSecond / 10) * 10, rate),
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
  about: `
A driver that keeps to its rate sends JSON calls of 1 KB by way of \`weir start\`. Latency is counted from when a call was due. At the
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
