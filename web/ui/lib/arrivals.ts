import type { RequestSummary } from '../../api/contract.js'

/** Rows of a table newest first, and those that arrived but are held back, newest first too. */
export interface Arrivals {
  readonly shown: readonly RequestSummary[]
  readonly held: readonly RequestSummary[]
}

const newestFirst = (a: RequestSummary, b: RequestSummary): number =>
  a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1

/**
 * Takes in rows that arrived.
 *
 * @param rows In any order; known ones are left out.
 * @param mode `show` puts them on top, `hold` keeps them until `released`: the table must not move under the pointer.
 */
export const arrived = ({ shown, held }: Arrivals, rows: readonly RequestSummary[], mode: 'show' | 'hold'): Arrivals => {
  const known = new Set([...shown, ...held].map(({ id }) => id))
  const fresh = rows.filter(({ id }) => !known.has(id))
  if (fresh.length === 0 && (mode === 'hold' || held.length === 0)) return { shown, held }
  return mode === 'hold' ? { shown, held: [...fresh, ...held].sort(newestFirst) } : released({ shown, held: [...fresh, ...held] })
}

/** Shows what was held back. A row that arrives late stands where its time puts it. */
export const released = ({ shown, held }: Arrivals): Arrivals => ({ shown: [...held, ...shown].sort(newestFirst), held: [] })
