import { uncounted } from '../checker/check.js'
import type { CellRun } from './cell.js'
import { faultNames, type FaultKind } from './scene.js'

type Column = readonly [name: string, of: (runs: readonly CellRun[]) => string | number]

const sum =
  (of: (run: CellRun) => number) =>
  (runs: readonly CellRun[]): number =>
    runs.reduce((total, run) => total + of(run), 0)

const worst =
  (of: (run: CellRun) => number | null, digits: number, unknown: string) =>
  (runs: readonly CellRun[]): string => {
    const known = runs.flatMap((run) => of(run) ?? [])
    return known.length < runs.length || known.length === 0 ? unknown : String(Number(Math.max(...known).toFixed(digits)))
  }

const columns: readonly Column[] = [
  ['runs', (runs) => runs.length],
  ['issued', sum(({ verdicts }) => verdicts.issued)],
  ['finished', sum(({ verdicts }) => verdicts.finished)],
  ['failed', sum(({ failed }) => failed.length)],
  ['rows', sum(({ verdicts }) => verdicts.rows)],
  ['proxy_lost', sum(({ verdicts }) => verdicts.proxyLost)],
  [
    'lost',
    (runs) => {
      const [lost, counted] = [sum(({ verdicts, gaps }) => uncounted(verdicts, gaps))(runs), sum(({ gaps }) => gaps)(runs)]
      return counted === 0 ? lost : `${lost} (${counted} counted)`
    },
  ],
  ['double', sum(({ verdicts }) => verdicts.double.length)],
  ['wrong', sum(({ verdicts }) => verdicts.wrong.length)],
  ['unseen', sum(({ verdicts }) => verdicts.unseen)],
  ['back, s', worst(({ backAfterS }) => backAfterS, 1, 'never')],
  ['caught up, s', worst(({ caughtUpAfterS }) => caughtUpAfterS, 1, 'never')],
  ['stored, s', worst(({ storedAfterS }) => storedAfterS, 1, 'never')],
  ['added, ms', worst(({ addedMs }) => addedMs, 0, '')],
  ['', (runs) => (runs.every(({ faults }) => faults.length === 0) ? 'holds' : '**fails**')],
]

/** Of the kill matrix, in Markdown; figures of several runs are added up, times are the worst. */
export const tableHead: readonly string[] = [
  `| victim | fault | ${columns.map(([name]) => name).join(' | ')} |`,
  `|${'---|'.repeat(columns.length + 2)}`,
]

export const tableRow = (victim: string, kind: FaultKind, runs: readonly CellRun[]): string =>
  `| ${[victim, faultNames[kind], ...columns.map(([, of]) => of(runs))].join(' | ')} |`
