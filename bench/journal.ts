import { join } from 'node:path'
import { UsageError, wholeNumber } from '../cli/command.js'
import { uuidv7 } from '../core/ids.js'
import { openJournal } from '../journal/open.js'
import type { Durability, JournalWriter } from '../journal/port.js'
import { openJournalSource } from '../journal/source.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { callEvents } from './support/events.js'
import { withFolder } from './support/house.js'
import { median } from './support/median.js'
import type { Report } from './support/report.js'

interface Setting {
  readonly durability: Durability
  readonly writers: number
}

interface Leg {
  readonly perSecond: number
  readonly cpuUs: number
  readonly p50Ms: number
  readonly mibPerSecond: number
}

/** Bounds the disk a leg takes: about 600 MB. */
const mostAppends = 200_000

/** Each writer appends one end after the other, waiting for it to be as durable as asked. */
const append = async (
  journal: JournalWriter,
  { durability, writers }: Setting,
  seconds: number,
): Promise<Leg & { appends: number }> => {
  const event = callEvents(uuidv7(Date.now()), Date.now()).end
  const eventBytes = event.reduce((sum, piece) => sum + piece.length, 0)
  const waits: number[] = []
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const until = begun + seconds * 1000
  let begunAppends = 0
  const writer = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const from = performance.now()
        if (from >= until || begunAppends >= mostAppends) return resolve()
        begunAppends++
        journal.append('end', uuidv7(Date.now()), 'default', event, durability, (failure) => {
          if (failure !== null) return reject(failure)
          waits.push(performance.now() - from)
          next()
        })
      }
      next()
    })
  await Promise.all(Array.from({ length: writers }, writer))
  const elapsedMs = performance.now() - begun
  const used = process.cpuUsage(cpu)
  return {
    appends: waits.length,
    perSecond: (waits.length * 1000) / elapsedMs,
    cpuUs: (used.user + used.system) / waits.length,
    p50Ms: median(waits),
    mibPerSecond: (waits.length * eventBytes * 1000) / elapsedMs / 1024 ** 2,
  }
}

/** Reads everything back. @throws BenchFailed unless it is `appends` whole events, each as it was written. */
const readBack = async (dir: string, appends: number): Promise<void> => {
  const source = await openJournalSource({ dir, consumers: ['bench'] })
  try {
    let found = 0
    const wantedBytes = callEvents(uuidv7(0), Date.now()).end.reduce((sum, piece) => sum + piece.length, 0)
    for (const partition of await source.partitions())
      for (let from = 0; ;) {
        const records = await source.read(partition, from, 5000, 16 * 1024 ** 2)
        const last = records.at(-1)
        if (last === undefined) break
        if (records.some(({ payload }) => payload.length !== wantedBytes))
          throw new BenchFailed('A record came back with another length.')
        found += records.length
        from = last.next
      }
    if (found !== appends) throw new BenchFailed(`${appends} appends were acknowledged, ${found} records came back.`)
  } finally {
    await source.close()
  }
}

const runLeg = (setting: Setting, seconds: number): Promise<Leg> =>
  withFolder(async (folder) => {
    const dir = join(folder, 'journal')
    const journal = await openJournal({ dir, durability: setting.durability, limitBytes: 4 * 1024 ** 3, now: Date.now })
    const leg = await append(journal, setting, seconds).finally(() => journal.close())
    await readBack(dir, leg.appends)
    return leg
  })

const settings: readonly Setting[] = (['off', 'standard', 'strict'] as const).flatMap((durability) =>
  [1, 32].map((writers) => ({ durability, writers })),
)

const runAll = async (seconds: number, rounds: number, say: (line: string) => void): Promise<Report> => {
  const legs = new Map<Setting, Leg[]>(settings.map((setting) => [setting, []]))
  await runLeg({ durability: 'off', writers: 32 }, Math.min(seconds, 0.5)) // compiled and checked before the clock starts
  for (let round = 1; round <= rounds; round++) {
    for (const setting of settings) legs.get(setting)?.push(await runLeg(setting, seconds))
    say(`round ${round} of ${rounds}: every record came back`)
  }
  return {
    tables: [
      {
        title: 'appends of the end of a call, 1 KB asked and 1 KB answered',
        columns: ['durability', 'at once', 'appends/s', 'MiB/s', 'CPU us/append', 'p50 ms'],
        rows: [...legs].map(([{ durability, writers }, all]) => {
          const of = (field: keyof Leg): number => median(all.map((leg) => leg[field]))
          return [durability, String(writers), of('perSecond'), of('mibPerSecond'), of('cpuUs'), of('p50Ms')]
        }),
      },
    ],
    targets: [],
  }
}

export const bench: Bench = {
  question: 'how many calls a second does the journal take, and at what cost, by durability?',
  takes: '1 min',
  about: `
Appends ends of calls as the proxy does, 1 and 32 at once in one process, each waiting until its record is as durable as asked:
off (written), standard (written, synced every 50 ms), strict (synced). All records are read back and counted.`,
  flags: {
    seconds: { type: 'string', value: 'n', help: 'of each leg (2)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' },
  },
  run(values, say) {
    const seconds = Number(values.seconds ?? '2')
    if (!(seconds > 0 && seconds <= 60)) throw new UsageError('--seconds: a number over 0, at most 60.')
    return runAll(seconds, wholeNumber(values, 'rounds', 3), say)
  },
}
