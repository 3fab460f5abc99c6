import { join } from 'node:path'
import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, fetchBody } from './support/driver.js'
import { openaiAt, untilStored, withFolder, withWeir } from './support/house.js'
import { forkHelper, usageOf } from './support/processes.js'
import { atMost, type Report } from './support/report.js'
import { startBroker } from './support/servers.js'
import { wantedJson } from './support/upstream.js'

interface Options {
  readonly minutes: number
  readonly settleSeconds: number
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const run = ({ minutes, settleSeconds }: Options, say: (line: string) => void): Promise<Report> =>
  withFolder(async (folder) => {
    const broker = await startBroker(join(folder, 'kafka'))
    const upstream = await forkHelper('upstream')
    try {
      return await withWeir(
        openaiAt(upstream.port),
        async (house) => {
          if (!(await fetchBody(house.proxy, `/openai${chatPath}`, false)).equals(wantedJson))
            throw new BenchFailed("The answer is not the upstream's.")
          await untilStored(house, 1, 60_000)
          say(`One call is stored; ${settleSeconds} s to come to rest.`)
          await pause(settleSeconds * 1000)
          const pids = { ...house.pids, broker: broker.pid() }
          const before = new Map(Object.entries(pids).map(([name, pid]) => [name, usageOf(pid)]))
          const begun = performance.now()
          for (let left = minutes; left > 0; left--) {
            await pause(Math.min(1, left) * 60_000)
            say(`${Math.max(0, left - 1).toFixed(1)} min to go; proxy ${Math.round(usageOf(house.pids.proxy).rssMiB)} MiB`)
          }
          const elapsedUs = (performance.now() - begun) * 1000
          const rows = Object.entries(pids).map(([name, pid]) => {
            const { cpuUs, rssMiB } = usageOf(pid)
            return [name, (100 * (cpuUs - (before.get(name)?.cpuUs ?? 0))) / elapsedUs, rssMiB] as const
          })
          const [, share, rssMiB] = rows.find(([name]) => name === 'proxy') ?? ['proxy', Number.NaN, Number.NaN]
          return {
            tables: [{ title: `${minutes} min with nothing to do`, columns: ['', '% of a core', 'RSS MiB'], rows }],
            targets: [atMost('proxy, share of a core', share, 1, ' %'), atMost('proxy RSS', rssMiB, 150, ' MiB')],
          }
        },
        broker.env,
      )
    } finally {
      await upstream.stop()
      await broker.stop()
    }
  })

const minutesOf = (values: Values): number => {
  const minutes = Number(values.minutes ?? '10')
  if (!(minutes > 0 && minutes <= 600)) throw new UsageError('--minutes: a number over 0, at most 600.')
  return minutes
}

export const bench: Bench = {
  question: 'what does a house that has nothing to do take, with Kafka configured?',
  takes: '11 min',
  about: `
\`weir start\` with a real broker; one call, so that producer and consumer are at work, some time to come to rest, and then nothing.`,
  flags: {
    minutes: { type: 'string', value: 'n', help: 'how long (10)' },
    settle: { type: 'string', value: 's', help: 'seconds before the clock starts (20)' },
  },
  run: (values, say) => run({ minutes: minutesOf(values), settleSeconds: wholeNumber(values, 'settle', 20) }, say),
}
