import { randomFrom } from '../support/random.js'
import { cellName, runCell, type CellRun } from './cell.js'
import { amountOf, flagsOf, helpOf, openScene, runCommand, WrongFlag, type Shape } from './options.js'
import { faultKinds, faultNames, type FaultKind, type Scene } from './scene.js'

// The kill matrix (reliability.md §3): every victim with every fault it can have, on one machine and scaled out.

const flags = {
  runs: { type: 'string', default: '3', value: 'n', help: 'runs of each cell' },
  seconds: { type: 'string', default: '15', value: 's', help: 'load of each run' },
  rate: { type: 'string', default: '200', value: 'n', help: 'calls a second, half of them streams' },
  seed: { type: 'string', default: '7', value: 'n', help: 'of the first run' },
  shape: { type: 'string', default: 'both', value: 'name', help: 'embedded, scaled or both' },
  cell: { type: 'string', value: 'victim:fault', help: 'that cell alone, as "hub:K"; faults are K T S D L' },
  help: { type: 'boolean', help: 'this' },
} as const

interface Cell {
  readonly scene: Scene
  readonly victim: Scene['victims'][number]
  readonly kind: FaultKind
}

const cellsOf = (scene: Scene, only: string | null): readonly Cell[] =>
  scene.victims.flatMap((victim) =>
    faultKinds
      .filter((kind) => victim.faults[kind] !== undefined && (only === null || only === `${victim.name}:${kind}`))
      .map((kind) => ({ scene, victim, kind })),
  )

const worst = (values: readonly (number | null)[]): string =>
  values.some((value) => value === null) ? 'never' : Math.max(...values.map(Number)).toFixed(1)

const rowOf = (name: string, kind: FaultKind, runs: readonly CellRun[]): string => {
  const sum = (of: (run: CellRun) => number): number => runs.reduce((total, run) => total + of(run), 0)
  const told = sum(({ gaps }) => gaps)
  const lost = sum(({ verdicts }) => verdicts.lost.length)
  return `| ${[
    name,
    faultNames[kind],
    runs.length,
    sum(({ verdicts }) => verdicts.issued),
    sum(({ verdicts }) => verdicts.finished),
    sum(({ failed }) => failed.length),
    sum(({ verdicts }) => verdicts.rows),
    told > 0 ? `${lost} (${told} told of)` : lost,
    sum(({ verdicts }) => verdicts.double.length),
    sum(({ verdicts }) => verdicts.wrong.length),
    sum(({ verdicts }) => verdicts.unseen),
    worst(runs.map(({ backAfterS }) => backAfterS)),
    worst(runs.map(({ storedAfterS }) => storedAfterS)),
    runs.every(({ faults }) => faults.length === 0) ? 'holds' : '**fails**',
  ].join(' | ')} |`
}

const head = `| victim | fault | runs | issued | finished | not answered | rows | lost | double | wrong | unseen | back after s | all stored after s | |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|`

const shapesOf = (shape: unknown): readonly Shape[] => {
  if (shape === 'both') return ['embedded', 'scaled']
  if (shape === 'embedded' || shape === 'scaled') return [shape]
  throw new WrongFlag('--shape is embedded, scaled or both.')
}

const matrix = async (args: readonly string[], ending: AbortSignal): Promise<number> => {
  const values = flagsOf(args, flags)
  if (values.help === true) {
    console.log(
      helpOf('npm run chaos:matrix: every victim of the kill matrix with every fault, under load; ends with a table.', flags),
    )
    return 0
  }
  const [runs, seconds, perSecond] = [amountOf(values, 'runs', 1), amountOf(values, 'seconds', 2), amountOf(values, 'rate', 1)]
  let seed = amountOf(values, 'seed', 0)
  const only = typeof values.cell === 'string' ? values.cell : null
  const table: string[] = []
  let isBad = false
  let cells = 0
  for (const shape of shapesOf(values.shape)) {
    if (ending.aborted) break
    console.error(`Starting everything, ${shape} ...`)
    let scene = await openScene(shape, true)
    try {
      for (const { victim, kind } of cellsOf(scene, only)) {
        cells++
        const done: CellRun[] = []
        for (let n = 0; n < runs && !ending.aborted; n++) {
          // A scene that came to harm would spoil the cells after it.
          const own = scene.victims.find(({ name }) => name === victim.name) ?? victim
          const run = await runCell({ scene, victim: own, kind, seconds, perSecond, seed, next: randomFrom(seed) })
          seed++
          done.push(run)
          console.error(`${cellName(scene, victim, kind)}, ${n + 1} of ${runs}: ${run.line}`)
          for (const fault of run.faults) console.error(`  ${fault}`)
          if (run.faults.length > 0) {
            isBad = true
            console.error(`  What it left is in ${scene.folder}; a new house for the rest.`)
            await scene.stop(true)
            scene = await openScene(shape, true)
          }
        }
        if (done.length > 0) table.push(rowOf(`${shape}: ${victim.name}`, kind, done))
      }
    } finally {
      await scene.stop()
    }
  }
  if (cells === 0) throw new WrongFlag(`There is no cell ${only ?? ''}; "hub:K" is one.`)
  console.log([head, ...table].join('\n'))
  return isBad ? 1 : 0
}

await runCommand((ending) => matrix(process.argv.slice(2), ending))
