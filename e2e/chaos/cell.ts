import { uncounted, type ClientCall } from '../checker/check.js'
import { startLoad, type Load } from '../checker/load.js'
import { until } from '../support/wait.js'
import { faultNames, pause, type FaultKind, type Scene, type Victim } from './scene.js'
import { headersFor } from './strokes.js'
import { gapsSoFar, judge, toldOf, type Judgement } from './trial.js'

/** One run of a cell of the kill matrix. */
export interface CellRun extends Judgement {
  readonly victim: string
  readonly kind: FaultKind
  /** Seconds from the end of the fault until the victim did its work; `null` = not within a minute. */
  readonly backAfterS: number | null
  /** Seconds from the end of the fault until every call of a second and a half ago was stored, the load going on where it still does. */
  readonly caughtUpAfterS: number | null
  /** Milliseconds that calls of the time of the fault waited longer, of two the middle; `null` = there are too few. */
  readonly addedMs: number | null
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
const backMs = 60_000
/** What is told of within so much is up to date. */
const freshMs = 1500
/** Ten times what is promised: this is no measurement, the table is. */
const mostAddedMs = 200
const enough = 20

/** reliability.md §3; a load that is shorter than a minute gets shorter cuts. */
const lengthOf = (kind: FaultKind, seconds: number): number =>
  kind === 'S' ? Math.min(stopMs, seconds * 1000) : Math.min(cutMs, seconds * 500)

const middleOf = (calls: readonly ClientCall[]): number | null => {
  const sorted = calls.flatMap(({ addedMs }) => (typeof addedMs === 'number' ? [addedMs] : [])).sort((a, b) => a - b)
  return sorted.length < enough ? null : (sorted[Math.floor(sorted.length / 2)] ?? null)
}

const addedOf = (calls: readonly ClientCall[], from: number, to: number): number | null => {
  const of = (isIn: (at: number) => boolean): number | null => middleOf(calls.filter(({ startedAt = 0 }) => isIn(startedAt)))
  const [before, during] = [of((at) => at < from), of((at) => at >= from && at < to)]
  return before === null || during === null ? null : during - before
}

/** Resolves with the seconds until what is stored keeps up with the load again. */
const caughtUp = async (
  scene: Scene,
  load: Load,
  { seed, gapsBefore, ending }: { readonly seed: number; readonly gapsBefore: number; readonly ending: () => boolean },
): Promise<number | null> => {
  const since = performance.now()
  const answered: { readonly at: number; readonly n: number }[] = []
  while (!ending()) {
    const n = load.client().filter(({ id }) => id !== '').length
    answered.push({ at: performance.now(), n })
    const due = answered.filter(({ at }) => at < performance.now() - freshMs).at(-1)
    const [stored] = await scene
      .query<{ n: number }>(
        `SELECT toUInt32(count() + (SELECT sum(n) FROM log_gaps)) AS n FROM requests WHERE startsWith(properties['mark'], 'c${seed}-')`,
      )
      .catch(() => [])
    if (due !== undefined && stored !== undefined && stored.n - gapsBefore >= due.n) return (performance.now() - since) / 1000
    await pause(200)
  }
  return null
}

/** Calls that failed although the fault is none that they may feel. */
const unfelt = ({ failed, histories }: Judgement, felt: Victim['felt'][FaultKind]): readonly ClientCall[] => {
  if (felt === 'cuts') return []
  if (felt === undefined) return failed
  const sent = new Set(histories.upstream.map(({ mark }) => mark))
  return failed.filter(
    ({ mark, end, status, refusal }) =>
      end !== 'unconnected' && refusal !== 'draining' && !(end === 'cut' && status === 0 && !sent.has(mark)),
  )
}

export const runCell = async ({ scene, victim, kind, seconds, perSecond, seed, next }: Options): Promise<CellRun> => {
  const strike = victim.faults[kind]
  if (strike === undefined) throw new Error(`${victim.name} has no fault ${kind}.`)
  const gapsBefore = await gapsSoFar(scene)
  const crashesBefore = scene.crashes().length
  const load = startLoad({ proxy: scene.proxies, fake: scene.fake, perSecond, seed, kinds: 'all', headers: headersFor(scene) })
  const endAt = performance.now() + seconds * 1000
  await pause(seconds * 1000 * (0.1 + 0.25 * next()))
  const beganAt = performance.now()
  await strike(lengthOf(kind, seconds))
  const struckAt = performance.now()
  let isOver = false
  const catching = caughtUp(scene, load, { seed, gapsBefore, ending: () => isOver })
  const backAfterS = await until(`the ${victim.name} to be back`, victim.isBack, { timeoutMs: backMs, everyMs: 25 }).then(
    () => (performance.now() - struckAt) / 1000,
    () => null,
  )
  await pause(Math.max(tailMs, endAt - performance.now()))
  await load.stop()
  const stoppedAt = performance.now()
  isOver = true
  const judged = await judge(scene, load, { seed, gapsBefore })
  const crashes = judged.crashes.slice(crashesBefore)
  const addedMs = addedOf(load.client(), beganAt, struckAt)
  const { verdicts, gaps, storedAfterS } = judged
  const afterLoadS = storedAfterS === null ? null : (stoppedAt - struckAt) / 1000 + storedAfterS
  const caughtUpAfterS = (await catching) ?? afterLoadS
  const notToBe = unfelt(judged, victim.felt[kind])
  const faults = [
    ...(backAfterS === null ? [`the ${victim.name} did not come back within ${backMs / 1000} s`] : []),
    ...(storedAfterS === null ? ['not every call was stored within two minutes'] : []),
    ...(notToBe.length === 0
      ? []
      : [`${notToBe.length} calls failed`, ...notToBe.slice(0, 3).map((call) => JSON.stringify(call))]),
    ...(victim.name === 'proxy' || (addedMs ?? 0) <= mostAddedMs ? [] : [`calls waited ${(addedMs ?? 0).toFixed(0)} ms longer`]),
    ...(uncounted(verdicts, gaps) === 0 ? [] : [`${verdicts.lost.length} lost, ${gaps} dropped and counted`]),
    ...toldOf({ ...judged, crashes }, 3),
  ]
  return { ...judged, crashes, victim: victim.name, kind, backAfterS, caughtUpAfterS, addedMs, faults }
}

export const cellName = ({ shape }: Scene, victim: Victim, kind: FaultKind): string =>
  `${shape} ${victim.name} ${faultNames[kind]}`
