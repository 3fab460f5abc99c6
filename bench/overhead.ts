import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody, type LoadResult } from './support/driver.js'
import { checkRows, openaiAt, untilStored, withWeir, type House } from './support/house.js'
import { median } from './support/median.js'
import { forkHelper, usageOf, type Helper } from './support/processes.js'
import { atMost, type Report, type Table, type Target } from './support/report.js'
import { wantedJson, wantedStream } from './support/upstream.js'

type Form = 'json' | 'sse'
type Side = 'direct' | 'bare lane' | 'weir'
const sides: readonly Side[] = ['direct', 'bare lane', 'weir']

/** One way to the upstream, and the processes that work on it. */
interface Lane {
  readonly side: Side
  readonly port: number
  readonly path: string
  /** Whose CPU counts as this lane's. */
  readonly pid: number
  readonly hub: number | null
}

/** One run of one lane. CPU in microseconds a call. */
interface Leg extends LoadResult {
  readonly cpuUs: number
  readonly hubCpuUs: number
  readonly rssMiB: number
}

interface Setting {
  readonly form: Form
  readonly concurrency: number
}

interface Options {
  readonly settings: readonly Setting[]
  readonly seconds: number
  readonly rounds: number
}

const optionsOf = (values: Values): Options => {
  const { only, concurrency, seconds = '3' } = values
  if (only !== undefined && only !== 'json' && only !== 'sse') throw new UsageError('--only: json or sse.')
  const forms: readonly Form[] = only === undefined ? ['json', 'sse'] : [only as Form]
  const levels = concurrency === undefined ? [1, 32, 128] : [wholeNumber(values, 'concurrency', 32)]
  const parsed = Number(seconds)
  if (!(parsed > 0 && parsed <= 600)) throw new UsageError('--seconds: a number over 0, at most 600.')
  return {
    settings: forms.flatMap((form) => levels.map((level) => ({ form, concurrency: level }))),
    seconds: parsed,
    rounds: wholeNumber(values, 'rounds', 3),
  }
}

const lanesOf = (upstream: Helper, bare: Helper, house: House): readonly Lane[] => [
  { side: 'direct', port: upstream.port, path: chatPath, pid: upstream.pid, hub: null },
  { side: 'bare lane', port: bare.port, path: `/openai${chatPath}`, pid: bare.pid, hub: null },
  { side: 'weir', port: house.proxy, path: `/openai${chatPath}`, pid: house.pids.proxy, hub: house.pids.hub },
]

const checkBytes = async (lanes: readonly Lane[], forms: ReadonlySet<Form>): Promise<number> => {
  for (const form of forms)
    for (const { side, port, path } of lanes)
      if (!(await fetchBody(port, path, form === 'sse')).equals(form === 'sse' ? wantedStream : wantedJson))
        throw new BenchFailed(`The ${form} answer by way of ${side} is not the upstream's.`)
  return forms.size
}

/** How long the hub may take for what one leg left behind. */
const storeLimitMs = 120_000

/** V8 compiles for some 20,000 calls: as many legs come before the clock starts. */
const warmUp = 2

/**
 * Runs the legs of a setting, one lane after the other in each round. Weir's legs end when all their calls are stored: the hub's CPU
 * is counted whole, and does not disturb the next leg.
 */
const runSetting = async (
  { form, concurrency }: Setting,
  { seconds, rounds }: Options,
  lanes: readonly Lane[],
  stored: (sent: number) => Promise<void>,
): Promise<ReadonlyMap<Side, readonly Leg[]>> => {
  const legs = new Map<Side, Leg[]>(lanes.map(({ side }) => [side, []]))
  for (const { port, path, hub } of lanes) {
    const { sent } = await drive({ port, path, streaming: form === 'sse', concurrency, seconds: seconds * warmUp })
    if (hub !== null) await stored(sent)
  }
  for (let round = 0; round < rounds; round++)
    for (const { side, port, path, pid, hub } of lanes) {
      const before = usageOf(pid)
      const hubBefore = hub === null ? 0 : usageOf(hub).cpuUs
      const result = await drive({ port, path, streaming: form === 'sse', concurrency, seconds })
      const after = usageOf(pid)
      if (result.failures > 0) throw new BenchFailed(`${result.failures} calls by way of ${side} failed.`)
      if (hub !== null) await stored(result.sent)
      legs.get(side)?.push({
        ...result,
        cpuUs: (after.cpuUs - before.cpuUs) / result.calls,
        hubCpuUs: hub === null ? 0 : (usageOf(hub).cpuUs - hubBefore) / result.calls,
        rssMiB: after.rssMiB,
      })
    }
  return legs
}

/** Medians over the rounds of one lane. */
type Middle = Record<'perSecond' | 'p50' | 'p99' | 'firstP50' | 'firstP99' | 'cpuUs' | 'hubCpuUs' | 'rssMiB', number>

const middleOf = (legs: readonly Leg[]): Middle => {
  const of = (field: keyof Middle): number => median(legs.map((leg) => leg[field]))
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    firstP50: of('firstP50'),
    firstP99: of('firstP99'),
    cpuUs: of('cpuUs'),
    hubCpuUs: of('hubCpuUs'),
    rssMiB: of('rssMiB'),
  }
}

/** Of the same round, then the median: what else runs on the machine changes from round to round. */
const ratioOf = (weir: readonly Leg[], bare: readonly Leg[]): number =>
  median(weir.map(({ cpuUs }, i) => cpuUs / (bare[i]?.cpuUs ?? Number.NaN)))

interface Outcome {
  readonly setting: Setting
  readonly middles: ReadonlyMap<Side, Middle>
  readonly ratio: number
}

const tableOf = ({ setting: { form, concurrency }, middles, ratio }: Outcome): Table => {
  const direct = middles.get('direct')
  return {
    title: `${form === 'sse' ? 'SSE, 50 chunks' : 'JSON, 1 KB'}, concurrency ${concurrency}: weir / bare lane = ${ratio.toFixed(2)} x CPU a call`,
    columns: [
      '',
      'calls/s',
      'p50 ms',
      'p99 ms',
      '+p50 ms',
      '+p99 ms',
      'first ms',
      '+first ms',
      'CPU us/call',
      'hub us/call',
      'RSS MiB',
    ],
    rows: [...middles].map(([side, middle]) => [
      side,
      middle.perSecond,
      middle.p50,
      middle.p99,
      middle.p50 - (direct?.p50 ?? 0),
      middle.p99 - (direct?.p99 ?? 0),
      middle.firstP50,
      middle.firstP50 - (direct?.firstP50 ?? 0),
      middle.cpuUs,
      middle.hubCpuUs,
      middle.rssMiB,
    ]),
  }
}

const targetsOf = ({ setting: { form, concurrency }, middles, ratio }: Outcome): readonly Target[] => {
  const [direct, weir] = [middles.get('direct'), middles.get('weir')]
  if (direct === undefined || weir === undefined) return []
  if (concurrency === 32) return [atMost(`${form}, concurrency 32: proxy CPU a call, times the bare lane's`, ratio, 2.5, ' x')]
  if (concurrency !== 1) return []
  return [
    atMost(`${form}, concurrency 1: added p50`, weir.p50 - direct.p50, 0.5, ' ms'),
    atMost(`${form}, concurrency 1: added time to first chunk`, weir.firstP50 - direct.firstP50, 1, ' ms'),
  ]
}

const runAll = async (options: Options, say: (line: string) => void): Promise<Report> => {
  const upstream = await forkHelper('upstream')
  const bare = await forkHelper('bare-lane', { BENCH_UPSTREAM: `http://127.0.0.1:${upstream.port}` })
  try {
    return await withWeir(openaiAt(upstream.port), async (house) => {
      const lanes = lanesOf(upstream, bare, house)
      let calls = await checkBytes(lanes, new Set(options.settings.map(({ form }) => form)))
      say('All lanes answer byte by byte as the upstream does.')
      const stored = async (sent: number): Promise<void> => {
        calls += sent
        await untilStored(house, calls, storeLimitMs)
      }
      const outcomes: Outcome[] = []
      for (const setting of options.settings) {
        const legs = await runSetting(setting, options, lanes, stored)
        const middles = new Map(sides.map((side) => [side, middleOf(legs.get(side) ?? [])]))
        const outcome = { setting, middles, ratio: ratioOf(legs.get('weir') ?? [], legs.get('bare lane') ?? []) }
        outcomes.push(outcome)
        say(`${setting.form}, concurrency ${setting.concurrency}: ${outcome.ratio.toFixed(2)} x`)
      }
      await checkRows(house, calls)
      say(`${calls} calls, ${calls} rows, nothing left in the journal.`)
      return { tables: outcomes.map(tableOf), targets: outcomes.flatMap(targetsOf) }
    })
  } finally {
    await bare.stop()
    await upstream.stop()
  }
}

export const bench: Bench = {
  question: 'what does a call cost by way of Weir, against direct and against the least a TypeScript gateway can do?',
  takes: '6 min',
  about: `
JSON of 1 KB and SSE of 50 chunks; direct, by a bare lane (node:http and Pool.dispatch, nothing read, nothing recorded) and by
\`weir start\` with everything on: recording, ingest, chDB. Medians of interleaved rounds, after twice as long to warm up. Bytes are compared
before the clock starts; at the end every call has its row. "CPU us/call" is the upstream's, the bare lane's and the proxy's own.`,
  flags: {
    only: { type: 'string', value: 'json|sse', help: 'one of the two forms (both)' },
    concurrency: { type: 'string', value: 'n', help: 'one level (1, 32 and 128)' },
    seconds: { type: 'string', value: 'n', help: 'of each leg (3)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' },
  },
  run: (values, say) => runAll(optionsOf(values), say),
}
