import { startLoad, upstreamFaults } from '../checker/load.js'
import { randomFrom } from '../support/random.js'
import { until } from '../support/wait.js'
import { amountOf, flagsOf, helpOf, openScene, runCommand, WrongFlag } from './options.js'
import { faultNames, pause, type FaultKind, type Scene } from './scene.js'
import { judge } from './trial.js'

// Load, and a fault at random every few seconds (reliability.md §7).

const flags = {
  minutes: { type: 'string', default: '5', value: 'n', help: 'how long the load lasts' },
  seed: { type: 'string', value: 'n', help: 'repeats the faults of a run; else by chance, and printed' },
  rate: { type: 'string', default: '200', value: 'n', help: 'calls a second, half of them streams' },
  scaled: { type: 'boolean', help: 'two proxies, Kafka, Redis and ClickHouse instead of one machine with everything embedded' },
  keep: { type: 'boolean', help: 'leaves the folder with data and logs, whatever comes out' },
  help: { type: 'boolean', help: 'this' },
} as const

interface Stroke {
  readonly name: string
  readonly strike: () => Promise<void>
}

const longest: Readonly<Record<FaultKind, number>> = { K: 0, T: 0, S: 15_000, D: 6000, L: 10_000 }

const strokesOf = (scene: Scene, next: () => number, load: ReturnType<typeof startLoad>): readonly Stroke[] => [
  ...scene.victims.flatMap(({ name, faults, isBack }) =>
    Object.entries(faults).map(([kind, strike]): Stroke => ({
      name: `${name} ${faultNames[kind as FaultKind]}`,
      async strike() {
        await strike(longest[kind as FaultKind] * (0.2 + 0.8 * next()))
        await until(`${name} to be back`, isBack, { timeoutMs: 120_000, everyMs: 100 })
      },
    })),
  ),
  ...upstreamFaults.map((fault): Stroke => ({
    name: `upstream: ${fault}`,
    async strike() {
      load.trouble(fault)
      await pause(2000 + next() * 4000)
      load.trouble(null)
    },
  })),
]

const chaos = async (args: readonly string[], ending: AbortSignal): Promise<number> => {
  const values = flagsOf(args, flags)
  if (values.help === true) {
    console.log(
      helpOf('npm run chaos: load, and at random every 5 to 15 s a fault; ends with what was lost, double or wrong.', flags),
    )
    return 0
  }
  const minutes = amountOf(values, 'minutes', 0.05)
  const perSecond = amountOf(values, 'rate', 1)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : amountOf(values, 'seed', 0)
  if (!Number.isInteger(seed)) throw new WrongFlag('--seed takes a whole number.')
  const shape = values.scaled === true ? 'scaled' : 'embedded'
  console.error(`Seed ${seed}, ${shape}, ${perSecond} calls a second for ${minutes} min. Starting everything ...`)
  const scene = await openScene(shape, true)
  let isGood = false
  try {
    const next = randomFrom(seed)
    const load = startLoad({
      proxy: scene.proxies,
      fake: scene.fake,
      perSecond,
      seed,
      ...(shape === 'scaled' ? { headers: { 'weir-ratelimit-policy': '100000000;w=60' } } : {}),
    })
    const strokes = strokesOf(scene, next, load)
    const begun = performance.now()
    const left = (): number => minutes * 60_000 - (performance.now() - begun)
    for (;;) {
      // The last seconds are without one, so that calls can end well.
      const wait = 5000 + next() * 10_000
      const stroke = strokes[Math.floor(next() * strokes.length)]
      if (stroke === undefined || left() < wait + 3000) break
      await Promise.race([pause(wait), aborted(ending)])
      if (ending.aborted) break
      console.error(
        `${((performance.now() - begun) / 1000).toFixed(0).padStart(5)} s  ${stroke.name}  (${load.client().length} calls so far)`,
      )
      await stroke.strike()
    }
    await Promise.race([pause(Math.max(0, left())), aborted(ending)])
    console.error('The load ends. Waiting for the last row ...')
    await load.stop()
    const judged = await judge(scene, load, { seed, limitMs: 300_000 })
    const { verdicts, gaps, crashes, line, storedAfterS } = judged
    isGood = judged.holds
    for (const [what, faults] of Object.entries({
      lost: verdicts.lost,
      double: verdicts.double,
      wrong: verdicts.wrong,
      crash: crashes,
    }))
      for (const fault of faults.slice(0, gaps > 0 && what === 'lost' && isGood ? 0 : 10)) console.error(`  ${what}: ${fault}`)
    if (gaps > 0) console.error(`  ${gaps} calls have no row, and the log tells so: its disk was full.`)
    if (storedAfterS !== null) console.error(`  All stored ${storedAfterS.toFixed(1)} s after the load.`)
    console.log(line)
    if (!isGood || values.keep === true) console.error(`Data and logs: ${scene.folder}`)
  } finally {
    await scene.stop(!isGood || values.keep === true)
  }
  return isGood ? 0 : 1
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))

await runCommand((ending) => chaos(process.argv.slice(2), ending))
