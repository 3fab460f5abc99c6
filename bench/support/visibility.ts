import { BenchFailed } from './bench.js'
import { askSql, type Hub } from './house.js'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** When how many rows were seen. */
export type Look = readonly [at: number, rows: number]

/** Rows seen in SQL, with the time of each look; one look in `everyMs`. */
export const watchRows = async (hub: Hub, until: AbortSignal, everyMs: number): Promise<readonly Look[]> => {
  const looks: Look[] = []
  while (!until.aborted) {
    const [rows = 0] = await askSql(hub, 'SELECT count() FROM requests')
    looks.push([performance.now(), rows])
    await pause(everyMs)
  }
  return looks
}

/**
 * Rows become visible in the order calls end, give or take a few places: the n-th call is seen when n rows are.
 *
 * @param before Rows that were there before the first of these calls.
 * @returns Milliseconds from each call's end, ascending.
 */
export const delaysOf = (endedAt: readonly number[], looks: readonly Look[], before: number): Float64Array => {
  const delays = new Float64Array(endedAt.length)
  let look = 0
  endedAt.forEach((ended, i) => {
    while (look < looks.length && (looks[look]?.[1] ?? 0) < before + i + 1) look++
    const seen = looks[look]
    if (seen === undefined) throw new BenchFailed(`The row of call ${i + 1} was never seen.`)
    delays[i] = Math.max(0, seen[0] - ended)
  })
  return delays.sort()
}
