import { startLoad } from '../checker/load.js'
import { randomFrom } from '../support/random.js'
import { cellName, runCell, type CellRun } from './cell.js'
import { amountOf, flagsOf, helpOf, openScene, runCommand, WrongFlag, type Shape } from './options.js'
import { faultKinds, pause, type FaultKind, type Scene } from './scene.js'
import { headersFor } from './strokes.js'
import { tableHead, tableRow } from './table.js'

// The kill matrix (reliability.md §3): every victim with every fault it can have, on one machine and scaled out.

const flags = {
  runs: { type: 'string', default: '3', value: 'n', help: 'runs of each cell' },
  seconds: { type: 'string', default: '15', value: 's', help: 'load of each run' },
  rate: { type: 'string', default: '200', value: 'n', help: 'calls a second, half of them streams' },
  seed: { type: 'string', default: '7', value: 'n', help: 'of the first run' },
  embedded: { type: 'boolean', help: 'only those of one machine' },
  scaled: { type: 'boolean', help: 'only those of two proxies, Kafka, Redis and ClickHouse' },
  cell: { type: 'string', value: 'victim:fault', help: 'that cell alone, as "hub:K"; "hub:" is all of that victim' },
  help: { type: 'boolean', help: 'this' },
} as const

const about = `npm run chaos:matrix: every victim of the kill matrix with every fault, under load; ends with a table.

Faults: K kill -9, T SIGTERM, S SIGSTOP for 15 s, D disk full (as root), L link cut for half of the load.
Ctrl-C ends after the run that is on, and prints what there is. Exit code 1: something of a cell does not hold.`

interface Cell {
  readonly victim: string
  readonly kind: FaultKind
}

const cellsOf = ({ victims }: Scene, only: string): readonly Cell[] =>
  victims.flatMap(({ name, faults }) =>
    faultKinds
      .filter((kind) => faults[kind] !== undefined && `${name}:${kind}`.startsWith(only))
      .map((kind) => ({ victim: name, kind })),
  )

interface Plan {
  readonly runs: number
  readonly seconds: number
  readonly perSecond: number
  readonly only: string
  readonly seed: () => number
}

/** In its first seconds everything of a house is compiled and found for the first time: a kill then is not what makes calls wait. */
const warmUpMs = 10_000
/** Its calls have marks of their own. */
const warmUpSeed = -1

const openWarm = async (shape: Shape, perSecond: number): Promise<Scene> => {
  const scene = await openScene(shape)
  try {
    const { proxies: proxy, fake } = scene
    const load = startLoad({ proxy, fake, perSecond, seed: warmUpSeed, kinds: 'all', headers: headersFor(scene) })
    await pause(warmUpMs)
    await load.stop()
    return scene
  } catch (cause) {
    await scene.stop()
    throw cause
  }
}

/** All cells of one shape; one house for all of them, and a new one wherever something did not hold. */
const runShape = async (shape: Shape, { runs, seconds, perSecond, only, seed }: Plan, ending: AbortSignal) => {
  const rows: string[] = []
  let isGood = true
  console.error(`Starting everything, ${shape} ...`)
  let scene = await openWarm(shape, perSecond)
  const cells = cellsOf(scene, only)
  try {
    for (const { victim: name, kind } of cells) {
      const done: CellRun[] = []
      for (let n = 1; n <= runs && !ending.aborted; n++) {
        const victim = scene.victims.find((one) => one.name === name)
        if (victim === undefined) throw new Error(`A new house has no ${name}.`)
        const own = seed()
        const run = await runCell({ scene, victim, kind, seconds, perSecond, seed: own, next: randomFrom(own) })
        done.push(run)
        console.error(`${cellName(scene, victim, kind)}, ${n} of ${runs}: ${run.line}`)
        if (run.faults.length === 0) continue
        isGood = false
        for (const fault of run.faults) console.error(`  ${fault}`)
        console.error(`  Data and logs: ${scene.folder}. A new house for the rest ...`)
        await scene.stop('keep')
        scene = await openWarm(shape, perSecond)
      }
      const [last] = done.slice(-1)
      if (last !== undefined) rows.push(tableRow(`${shape}: ${name}`, kind, done))
      if (last !== undefined) console.error(rows.at(-1))
    }
  } finally {
    await scene.stop()
  }
  return { rows, isGood, cells: cells.length }
}

const matrix = async (args: readonly string[], ending: AbortSignal): Promise<number> => {
  const values = flagsOf(args, flags)
  if (values.help === true) {
    console.log(helpOf(about, flags))
    return 0
  }
  let seed = amountOf(values, 'seed', 0)
  const plan: Plan = {
    runs: amountOf(values, 'runs', 1),
    seconds: amountOf(values, 'seconds', 2),
    perSecond: amountOf(values, 'rate', 1),
    only: typeof values.cell === 'string' ? values.cell : '',
    seed: () => seed++,
  }
  const chosen = (['embedded', 'scaled'] as const).filter((shape) => values[shape] === true)
  const done = []
  for (const shape of chosen.length > 0 ? chosen : (['embedded', 'scaled'] as const))
    if (!ending.aborted) done.push(await runShape(shape, plan, ending))
  if (done.every(({ cells }) => cells === 0)) throw new WrongFlag(`There is no cell ${plan.only}; "hub:K" is one.`)
  console.log([...tableHead, ...done.flatMap(({ rows }) => rows)].join('\n'))
  return done.every(({ isGood }) => isGood) ? 0 : 1
}

await runCommand((ending) => matrix(process.argv.slice(2), ending))
