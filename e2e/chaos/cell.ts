import { startLoad } from '../checker/load.js'
import { until } from '../support/wait.js'
import { faultNames, pause, type FaultKind, type Scene, type Victim } from './scene.js'
import { gapsSoFar, judge, type Judgement } from './trial.js'

/** One run of a cell of the kill matrix. */
export interface CellRun extends Judgement {
  readonly victim: string
  readonly kind: FaultKind
  /** Seconds from the end of the fault until the victim did its work; `null` = not within a minute. */
  readonly backAfterS: number | null
  /** What does not hold, in words. */
  readonly faults: readonly string[]
}

interface Options {
  readonly scene: Scene
  readonly victim: Victim
  readonly kind: FaultKind
  /** Of load, at least: what lasts longer gets some seconds more. */
  readonly seconds: number
  readonly perSecond: number
  readonly seed: number
  readonly next: () => number
}

const stopMs = 15_000
const cutMs = 30_000
const tailMs = 2500

/** reliability.md §3; a load that is shorter than a minute gets shorter cuts. */
const lengthOf = (kind: FaultKind, seconds: number): number =>
  kind === 'S' ? Math.min(stopMs, seconds * 1000) : Math.min(cutMs, seconds * 500)

/** Limits are asked of Redis for each call. */
const headers = { 'weir-ratelimit-policy': '100000000;w=60' }

export const runCell = async ({ scene, victim, kind, seconds, perSecond, seed, next }: Options): Promise<CellRun> => {
  const strike = victim.faults[kind]
  if (strike === undefined) throw new Error(`${victim.name} has no fault ${kind}.`)
  const gapsBefore = await gapsSoFar(scene)
  const crashesBefore = scene.crashes().length
  const load = startLoad({
    proxy: scene.proxies,
    fake: scene.fake,
    perSecond,
    seed,
    ...(scene.shape === 'scaled' ? { headers } : {}),
  })
  const endAt = performance.now() + seconds * 1000
  await pause(seconds * 1000 * (0.1 + 0.25 * next()))
  await strike(lengthOf(kind, seconds))
  const struckAt = performance.now()
  const backAfterS = await until('the victim to be back', victim.isBack, { timeoutMs: 60_000, everyMs: 25 }).then(
    () => (performance.now() - struckAt) / 1000,
    () => null,
  )
  await pause(Math.max(tailMs, endAt - performance.now()))
  await load.stop()
  const judged = await judge(scene, load, { seed, gapsBefore })
  const crashes = judged.crashes.slice(crashesBefore)
  const faults = [
    ...(backAfterS === null ? [`the ${victim.name} did not come back within a minute`] : []),
    ...(judged.storedAfterS === null ? ['not every call was stored within two minutes'] : []),
    ...(victim.isFelt || judged.failed.length === 0 ? [] : [`${judged.failed.length} calls failed`]),
    ...(judged.verdicts.lost.length === judged.gaps ? [] : [`${judged.verdicts.lost.length} lost, ${judged.gaps} told of`]),
    ...judged.verdicts.lost.slice(0, judged.gaps === 0 ? 3 : 0),
    ...judged.verdicts.double.slice(0, 3),
    ...judged.verdicts.wrong.slice(0, 3),
    ...crashes,
  ]
  return { ...judged, crashes, victim: victim.name, kind, backAfterS, faults }
}

export const cellName = ({ shape }: Scene, victim: Victim, kind: FaultKind): string =>
  `${shape} ${victim.name} ${faultNames[kind]}`
