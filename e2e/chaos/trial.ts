import { check, lineOf, uncounted, type ClientCall, type Histories, type Verdicts } from '../checker/check.js'
import type { Load } from '../checker/load.js'
import { rollupFaults, rollupSums, rowSums, storedCalls } from '../checker/stored.js'
import { pause, type Scene } from './scene.js'

/** What a run came to. */
export interface Judgement {
  readonly verdicts: Verdicts
  readonly histories: Histories
  readonly crashes: readonly string[]
  /** Ends the log had no room for, as it tells them itself: so many calls may be missing. */
  readonly gaps: number
  /** Calls of this run that were refused by us, cut, or met a closed door. */
  readonly failed: readonly ClientCall[]
  /** Seconds from the end of the load to the last row; `null` = not within the time. */
  readonly storedAfterS: number | null
  /** Nothing lost that was not told of, nothing double, nothing wrong, no crash. */
  readonly holds: boolean
  readonly line: string
}

const askEveryMs = 400
/** Rows that come after all were there would be doubles. */
const afterMs = 1500

const gapsOf = async (scene: Scene): Promise<number> =>
  (await scene.query<{ n: number }>('SELECT toUInt32(sum(n)) AS n FROM log_gaps'))[0]?.n ?? 0

const historiesOf = async (scene: Scene, load: Load, seed: number): Promise<Histories> => ({
  client: load.client(),
  upstream: load.upstream(),
  rows: await storedCalls(scene, `c${seed}-`),
  rowSums: await rowSums(scene),
  rollups: await rollupSums(scene),
})

const isFailed = ({ end, refusal, event = '' }: ClientCall): boolean =>
  end === 'unconnected' || end === 'cut' || refusal !== '' || event !== ''

/**
 * Waits until every call of a load that has ended is stored, or told of as missing, and compares.
 *
 * @param gapsBefore What the log told of missing calls before this load.
 */
export const judge = async (
  scene: Scene,
  load: Load,
  { seed, gapsBefore = 0, limitMs = 120_000 }: { readonly seed: number; readonly gapsBefore?: number; readonly limitMs?: number },
): Promise<Judgement> => {
  const begun = performance.now()
  let storedAfterS: number | null = null
  let last: { histories: Histories; verdicts: Verdicts; gaps: number } | null = null
  let fault: unknown = null
  while (performance.now() - begun < limitMs) {
    const askedAt = performance.now()
    try {
      const histories = await historiesOf(scene, load, seed)
      const verdicts = check(histories)
      last = { histories, verdicts, gaps: (await gapsOf(scene)) - gapsBefore }
      const isThere = verdicts.lost.length <= last.gaps && verdicts.double.length === 0
      if (isThere && storedAfterS !== null) {
        const whole = { ...histories, otherRollups: await rollupFaults(scene) }
        last = { ...last, histories: whole, verdicts: check(whole) }
        if (last.verdicts.double.length === 0) break
      }
      if (isThere) {
        storedAfterS ??= (performance.now() - begun) / 1000
        await pause(afterMs)
        continue
      }
      storedAfterS = null
    } catch (cause) {
      fault = cause // the store may be coming back
    }
    // Of a long run much is read: it is not to be kept busy by us.
    await pause(Math.max(askEveryMs, performance.now() - askedAt))
  }
  if (last === null) throw new Error('The store did not answer.', { cause: fault })
  const { verdicts, gaps } = last
  const crashes = scene.crashes()
  return {
    ...last,
    crashes,
    failed: load.client().filter(isFailed),
    storedAfterS,
    holds: uncounted(verdicts, gaps) === 0 && verdicts.double.length === 0 && verdicts.wrong.length === 0 && crashes.length === 0,
    line: lineOf(verdicts, { seed, crashes: crashes.length, counted: gaps }),
  }
}

export const gapsSoFar = (scene: Scene): Promise<number> => gapsOf(scene).catch(() => 0)

/** The first faults of a run, each with what every side has of that call. */
export const toldOf = ({ verdicts, histories, crashes, gaps }: Judgement, most = 5): readonly string[] => {
  const marks = new Map(histories.client.map((call) => [call.mark, call]))
  const lines = (what: string, faults: readonly string[]): string[] =>
    faults.slice(0, most).flatMap((fault) => {
      const mark = /\bc\d+-\d+\b/.exec(fault)?.[0] ?? ''
      const own = <T extends { readonly mark: string }>(all: readonly T[]): string =>
        all.flatMap((one) => (one.mark === mark ? [JSON.stringify(one)] : [])).join('\n             ') || 'nothing'
      const sides = marks.has(mark)
        ? [
            `    client   ${own(histories.client)}`,
            `    upstream ${own(histories.upstream)}`,
            `    rows     ${own(histories.rows)}`,
          ]
        : []
      return [`  ${what}: ${fault}`, ...sides]
    })
  return [
    ...lines('lost', uncounted(verdicts, gaps) === 0 ? [] : verdicts.lost),
    ...lines('double', verdicts.double),
    ...lines('wrong', verdicts.wrong),
    ...lines('crash', crashes),
  ]
}
