import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, drive, fetchBody } from './support/driver.js'
import { askSql, untilStored, withFolder, type Hub } from './support/house.js'
import { median } from './support/median.js'
import { forkHelper, forkHub, forkProxy, usageOf, type Helper } from './support/processes.js'
import { atMost, type Report } from './support/report.js'
import { wantedJson, wantedStream } from './support/upstream.js'

interface Options {
  readonly seconds: number
  readonly rounds: number
}

const optionsOf = (values: Values): Options => {
  const seconds = Number(values.seconds ?? '3')
  if (!(seconds > 0 && seconds <= 600)) throw new UsageError('--seconds: a number over 0, at most 600.')
  return { seconds, rounds: wholeNumber(values, 'rounds', 3) }
}

type Way = 'fails' | 'direct' | 'fallback'

/** Medians over the rounds of one way. */
interface Middle {
  readonly p50: number
  readonly firstP50: number
  readonly cpuUs: number
}

const storeLimitMs = 600_000
const forms = [
  { name: 'JSON, 1 KB', streaming: false },
  { name: 'SSE, 50 chunks', streaming: true },
] as const
/** The second target has a key of its own, as one of another provider has. */
const spareKey = 'weir-spare-key: sk-spare\r\n'
const fallback = `${spareKey}weir-fallback: spare/gpt-5-mini\r\n`

const yamlOf = (failing: Helper, spare: Helper): string =>
  `providers:
  openai: { origin: "http://127.0.0.1:${failing.port}" }
  spare: { origin: "http://127.0.0.1:${spare.port}", root: "/v1", family: openai-chat }
`

/** @returns The calls it took. */
const checkBytes = async (port: number): Promise<number> => {
  for (const { streaming } of forms) {
    const body = await fetchBody(port, `/openai${chatPath}`, streaming, {
      'weir-spare-key': 'sk-spare',
      'weir-fallback': 'spare/gpt-5-mini',
    })
    if (!body.equals(streaming ? wantedStream : wantedJson))
      throw new BenchFailed("The answer is not the second target's, byte by byte.")
  }
  return forms.length
}

const checkRows = async (hub: Hub, calls: number, fellBack: number): Promise<void> => {
  const [rows, ids, complete, twice] = await askSql(
    hub,
    "SELECT count(), uniqExact(request_id), countIf(outcome = 'complete' AND status = 200), countIf(length(attempts) = 2) FROM requests",
  )
  if (rows !== calls || ids !== calls || complete !== calls || twice !== fellBack)
    throw new BenchFailed(
      `${calls} calls, ${fellBack} of them by a failed attempt, left ${rows} rows, ${ids} of them different, ${complete} complete, ${twice} with two attempts.`,
    )
}

const measured = async (folder: string, failing: Helper, { seconds, rounds }: Options, say: (line: string) => void) => {
  const proxy = await forkProxy(folder)
  try {
    let calls = 0
    let fellBack = await checkBytes(proxy.port)
    const outcomes: { readonly name: string; readonly middles: ReadonlyMap<Way, Middle> }[] = []
    for (const { name, streaming } of forms) {
      const ways: readonly (readonly [Way, Parameters<typeof drive>[0]])[] = [
        ['fails', { port: failing.port, path: chatPath, streaming, concurrency: 1, seconds, status: 500, manyKeys: true }],
        [
          'direct',
          { port: proxy.port, path: `/spare${chatPath}`, streaming, concurrency: 1, seconds, headers: spareKey, manyKeys: true },
        ],
        // A key that fails five times is passed over (routing.md §7): each call has another one.
        [
          'fallback',
          { port: proxy.port, path: `/openai${chatPath}`, streaming, concurrency: 1, seconds, headers: fallback, manyKeys: true },
        ],
      ]
      const legs = new Map<Way, Middle[]>()
      // The first round warms up.
      for (let round = 0; round <= rounds; round++)
        for (const [way, load] of ways) {
          const before = usageOf(proxy.pid).cpuUs
          const result = await drive(load)
          if (result.failures > 0) throw new BenchFailed(`${result.failures} calls failed.`)
          if (way === 'direct') calls += result.sent
          if (way === 'fallback') fellBack += result.sent
          if (round === 0) continue
          const { p50, firstP50 } = result
          const cpuUs = way === 'fails' ? Number.NaN : (usageOf(proxy.pid).cpuUs - before) / result.calls
          legs.set(way, [...(legs.get(way) ?? []), { p50, firstP50, cpuUs }])
        }
      const of = (way: Way, field: keyof Middle): number => median((legs.get(way) ?? []).map((leg) => leg[field]))
      outcomes.push({
        name,
        middles: new Map(
          ways.map(([way]) => [way, { p50: of(way, 'p50'), firstP50: of(way, 'firstP50'), cpuUs: of(way, 'cpuUs') }]),
        ),
      })
      say(`${name}: ${of('fallback', 'p50').toFixed(3)} ms with a failed attempt, ${of('direct', 'p50').toFixed(3)} ms without`)
    }
    return { calls: calls + fellBack, fellBack, outcomes }
  } finally {
    await proxy.stop()
  }
}

const runAll = (options: Options, say: (line: string) => void): Promise<Report> =>
  withFolder(async (folder) => {
    const failing = await forkHelper('upstream', { BENCH_FAILS: '1' })
    const spare = await forkHelper('upstream')
    try {
      writeFileSync(join(folder, 'weir.yaml'), yamlOf(failing, spare))
      const { calls, fellBack, outcomes } = await measured(folder, failing, options, say)
      const hub = await forkHub(folder)
      try {
        await untilStored(hub, calls, storeLimitMs)
        await checkRows(hub, calls, fellBack)
      } finally {
        await hub.stop()
      }
      say(`${calls} calls, ${calls} rows, ${fellBack} of them with two attempts.`)
      const at = (n: number, way: Way, field: keyof Middle): number => outcomes[n]?.middles.get(way)?.[field] ?? Number.NaN
      const addedOf = (n: number, field: 'p50' | 'firstP50'): number =>
        at(n, 'fallback', field) - at(n, 'direct', field) - at(n, 'fails', 'p50')
      return {
        tables: [
          {
            title: 'A failed attempt before the answer, concurrency 1',
            columns: [
              '',
              'with it ms',
              'without ms',
              "the upstream's ms",
              'added ms',
              'added to first ms',
              'CPU us',
              'CPU us without',
            ],
            rows: outcomes.map(({ name }, n) => [
              name,
              at(n, 'fallback', 'p50'),
              at(n, 'direct', 'p50'),
              at(n, 'fails', 'p50'),
              addedOf(n, 'p50'),
              addedOf(n, 'firstP50'),
              at(n, 'fallback', 'cpuUs'),
              at(n, 'direct', 'cpuUs'),
            ]),
          },
        ],
        targets: forms.map(({ name }, n) => atMost(`${name}: added p50`, addedOf(n, 'p50'), 1, ' ms')),
      }
    } finally {
      await failing.stop()
      await spare.stop()
    }
  })

export const bench: Bench = {
  question: 'how much longer does a call take whose first target fails?',
  takes: '2 min',
  about: `
The first target answers 500 at once, the second one 200: JSON of 1 KB and SSE of 50 chunks, one call after the other by way of
\`weir proxy\`. Against the same call straight to the second target by way of Weir, less what the first one takes when it is asked directly.
Medians (p50) of interleaved rounds, after one to warm up. Bytes are compared before the clock starts; at the end every call has its row, with both of its attempts.`,
  flags: {
    seconds: { type: 'string', value: 'n', help: 'of each leg (3)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' },
  },
  run: (values, say) => runAll(optionsOf(values), say),
}
