import { readEvent } from '../../ingest/read-event.js'
import type { Exchange } from '../../core/exchange.js'
import type { Letter, Letters } from './letter.js'

/** Takes an event again. */
export interface Taker {
  /** Durable when it resolves. `refused`: it is not taken, and would not be when sent once more. */
  take(exchange: Exchange, letter: Letter): Promise<'taken' | 'refused'>
}

export interface ReplayAsk {
  /** `null` = any. */
  readonly reason: string | null
  /** Set aside at this moment or later; `null` = whenever. */
  readonly since: Date | null
  /** So many are sent again, and no more; `null` = all. */
  readonly limit: number | null
  readonly dryRun: boolean
}

export interface ReasonReport {
  readonly reason: string
  letters: number
  replayed: number
  oldest: string
  newest: string
  /** Of the newest. */
  error: string
}

export interface ReplayReport {
  /** That were asked for. */
  letters: number
  /** Sent again; of a dry run: that would be. */
  replayed: number
  /** This Weir still cannot read them: they stay where they are. */
  unreadable: number
  /** Nobody takes them: they stay, too. */
  refused: number
  bytes: number
  readonly reasons: ReasonReport[]
}

interface Options {
  readonly places: readonly Letters[]
  readonly ask: ReplayAsk
  readonly taker: Taker
  readonly onProgress: (report: ReplayReport) => void
}

const isAskedFor = ({ reason, at }: Letter, ask: ReplayAsk): boolean =>
  (ask.reason === null || reason === ask.reason) && (ask.since === null || Date.parse(at) >= ask.since.getTime())

const eventOf = ({ payload }: Letter): Exchange | null => {
  try {
    return readEvent(payload)
  } catch {
    return null
  }
}

const noted = (report: ReplayReport, { reason, at, error, payload }: Letter): ReasonReport => {
  report.letters++
  report.bytes += payload.length
  let found = report.reasons.find((one) => one.reason === reason)
  if (found === undefined) report.reasons.push((found = { reason, letters: 0, replayed: 0, oldest: at, newest: at, error }))
  found.letters++
  if (at < found.oldest) found.oldest = at
  if (at >= found.newest) {
    found.newest = at
    found.error = error
  }
  return found
}

/** Sends dead letters again, one after the other; each is remembered once it was taken. */
export const replay = async ({ places, ask, taker, onProgress }: Options): Promise<ReplayReport> => {
  const report: ReplayReport = { letters: 0, replayed: 0, unreadable: 0, refused: 0, bytes: 0, reasons: [] }
  for (const place of places)
    for await (const letter of place) {
      if (ask.limit !== null && report.replayed >= ask.limit) return report
      if (!isAskedFor(letter, ask)) continue
      const reason = noted(report, letter)
      const exchange = eventOf(letter)
      if (exchange === null) report.unreadable++
      else if (!ask.dryRun && (await taker.take(exchange, letter)) === 'refused') report.refused++
      else {
        if (!ask.dryRun) await letter.done()
        report.replayed++
        reason.replayed++
      }
      onProgress(report)
    }
  return report
}
