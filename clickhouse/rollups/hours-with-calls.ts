import type { Db } from '../db.js'
import type { Feed } from './rollups.js'
import { sqlInstant, type Span } from './rows-once.js'

export const hourMs = 3_600_000

/** Hours, counted since the epoch, in which calls of a span began (`requests`) or whose calls were priced again (`repriced`); in order. */
export const hoursWithCalls = async (
  db: Pick<Db, 'rows'>,
  from: Feed['from'],
  { fromMs, toMs }: Span,
): Promise<readonly number[]> => {
  const rows = await db.rows<{ hour: number }>(
    'hours-with-calls',
    `SELECT DISTINCT toUInt32(intDiv(toUnixTimestamp(ts), 3600)) AS hour FROM ${from === 'requests' ? 'requests' : 'cost_adjustments'}
     WHERE ts >= ${sqlInstant(fromMs)} AND ts < ${sqlInstant(toMs)} ORDER BY hour LIMIT 10000`,
  )
  return rows.map(({ hour }) => hour)
}

/** An hour, counted since the epoch, as a span. */
export const spanOfHour = (hour: number): Span => ({ fromMs: hour * hourMs, toMs: (hour + 1) * hourMs })
