import { startLoad } from '../checker/load.js'
import { randomFrom } from '../support/random.js'
import { amountOf, flagsOf, helpOf, openScene, runCommand, WrongFlag } from './options.js'
import { pause, type Scene } from './scene.js'
import { headersFor, strokesOf } from './strokes.js'
import { judge, toldOf } from './trial.js'

// Load, and a fault at random every few seconds (reliability.md §7).

const flags = {
  minutes: { type: 'string', default: '5', value: 'n', help: 'how long the load lasts' },
  seed: { type: 'string', value: 'n', help: 'repeats the faults of a run; else by chance, and printed' },
  rate: { type: 'string', default: '200', value: 'n', help: 'calls a second, half of them streams' },
  scaled: { type: 'boolean', help: 'two proxies, Kafka, Redis and ClickHouse instead of one machine with everything embedded' },
  only: { type: 'string', value: 'names', help: 'faults whose names begin so, with commas between: "hub,proxy: kill -9"' },
  keep: { type: 'boolean', help: 'leaves the folder with data and logs, whatever comes out' },
  help: { type: 'boolean', help: 'this' },
} as const

const about = `npm run chaos: load, and at random every 5 to 15 s a fault; ends with what was lost, double or wrong.

Faults: kill -9, SIGTERM and SIGSTOP of every process, links cut and slow, full disks (as root), an upstream that fails.
Ctrl-C ends the load and compares what there is. Exit code 1: something was lost, double or wrong, or ended by itself.`

/** The end of the load is without a fault, so that calls can end well. */
const tailMs = 3000
const storedMs = 300_000

const namesOf = (scene: Scene): string =>
  `There are: ${strokesOf(scene)
    .map(({ name }) => name)
    .join(', ')}.`

const chaos = async (args: readonly string[], ending: AbortSignal): Promise<number> => {
  const values = flagsOf(args, flags)
  if (values.help === true) {
    console.log(helpOf(about, flags))
    return 0
  }
  const minutes = amountOf(values, 'minutes', 0.05)
  const perSecond = amountOf(values, 'rate', 1)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : amountOf(values, 'seed', 0)
  if (!Number.isInteger(seed)) throw new WrongFlag('--seed takes a whole number.')
  const only = typeof values.only === 'string' ? values.only.split(',') : ['']
  const shape = values.scaled === true ? 'scaled' : 'embedded'
  console.error(`Seed ${seed}, ${shape}, ${perSecond} calls a second for ${minutes} min. Starting everything ...`)
  const ended = new Promise<void>((resolve) => ending.addEventListener('abort', () => resolve()))
  const scene = await openScene(shape)
  let after: 'keep' | 'remove' = 'keep'
  try {
    const strokes = strokesOf(scene).filter(({ name }) => only.some((beginning) => name.startsWith(beginning)))
    if (strokes.length === 0) throw new WrongFlag(`--only: no fault begins like that. ${namesOf(scene)}`)
    const next = randomFrom(seed)
    const load = startLoad({ proxy: scene.proxies, fake: scene.fake, perSecond, seed, kinds: 'all', headers: headersFor(scene) })
    const begun = performance.now()
    const leftMs = (): number => minutes * 60_000 - (performance.now() - begun)
    for (;;) {
      const waitMs = 5000 + next() * 10_000
      const stroke = strokes[Math.floor(next() * strokes.length)]
      if (stroke === undefined || leftMs() < waitMs + tailMs) break
      await Promise.race([pause(waitMs), ended])
      if (ending.aborted) break
      const seconds = ((performance.now() - begun) / 1000).toFixed(0).padStart(5)
      console.error(`${seconds} s  ${stroke.name}  (${load.client().length} calls so far)`)
      await stroke.strike(load, next)
    }
    await Promise.race([pause(Math.max(0, leftMs())), ended])
    console.error('The load ends. Waiting for the last row ...')
    await load.stop()
    const judged = await judge(scene, load, { seed, limitMs: storedMs })
    for (const line of toldOf(judged)) console.error(line)
    const { gaps, storedAfterS } = judged
    if (gaps > 0) console.error(`  A full disk had no room for ${gaps} calls, and the log tells so.`)
    if (storedAfterS !== null) console.error(`  All stored ${storedAfterS.toFixed(1)} s after the load.`)
    console.log(judged.line)
    if (judged.holds && values.keep !== true) after = 'remove'
    return judged.holds ? 0 : 1
  } finally {
    if (after === 'keep') console.error(`Data and logs: ${scene.folder}`)
    await scene.stop(after)
  }
}

await runCommand((ending) => chaos(process.argv.slice(2), ending))
