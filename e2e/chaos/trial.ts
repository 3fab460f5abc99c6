import { check, lineOf, type ClientCall, type Histories, type Verdicts } from '../checker/check.js'
import type { Load } from '../checker/load.js'
import { rollupSums, rowSums, storedCalls } from '../checker/stored.js'
import { pause, type Scene } from './scene.js'

/** What a run came to. */
export interface Judgement {
  readonly verdicts: Verdicts
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

const historiesOf = async (scene: Scene, load: Load, seed: number): Promise<Histories> => {
  const rows = await storedCalls(scene)
  return {
    client: load.client(),
    upstream: load.upstream(),
    rows: rows.filter(({ mark }) => mark.startsWith(`c${seed}-`)),
    rowSums: await rowSums(scene),
    rollups: await rollupSums(scene),
  }
}

const isFailed = ({ end, refusal, status }: ClientCall): boolean =>
  end === 'unconnected' || end === 'cut' || (refusal !== '' && status >= 500 && !/^upstream_|^timeout_/.test(refusal))

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
    try {
      const histories = await historiesOf(scene, load, seed)
      last = { histories, verdicts: check(histories), gaps: (await gapsOf(scene)) - gapsBefore }
      const isThere = last.verdicts.lost.length <= last.gaps && last.verdicts.double.length === 0
      if (isThere && storedAfterS !== null) break
      if (isThere) {
        storedAfterS = (performance.now() - begun) / 1000
        await pause(afterMs)
        continue
      }
      storedAfterS = null
    } catch (cause) {
      fault = cause // the store may be coming back
    }
    await pause(askEveryMs)
  }
  if (last === null) throw new Error('The store did not answer.', { cause: fault })
  const { verdicts, gaps } = last
  const crashes = scene.crashes()
  return {
    verdicts,
    crashes,
    gaps,
    failed: load.client().filter(isFailed),
    storedAfterS,
    holds: verdicts.lost.length === gaps && verdicts.double.length === 0 && verdicts.wrong.length === 0 && crashes.length === 0,
    line: lineOf(verdicts, { seed, crashes: crashes.length }),
  }
}

export const gapsSoFar = (scene: Scene): Promise<number> => gapsOf(scene).catch(() => 0)
