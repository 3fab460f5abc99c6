import type { Series, SeriesLine } from '../../api/contract.js'
import { sum } from './money.js'

/** One line of a chart, ready to draw. `key` is the group's value; `rest` stands for all groups that are not shown alone. */
export interface Line {
  readonly key: string
  readonly rest: boolean
  readonly total: string | number | null
  readonly values: readonly (string | number | null)[]
}

type Value = string | number | null
const add = (a: Value, b: Value): Value => {
  if (a === null) return b
  if (b === null) return a
  return typeof a === 'string' || typeof b === 'string' ? sum([String(a), String(b)]) : a + b
}

/** Keeps the greatest `most` lines and adds the others up in one, so that colours stay few enough to be told apart. */
export const folded = (lines: readonly SeriesLine[], most: number): readonly Line[] => {
  const alone = lines.filter((line) => !line.rest)
  if (alone.length <= most && alone.length === lines.length) return lines
  const kept = alone.slice(0, most)
  const others = lines.filter((line) => !kept.includes(line))
  const rest = others.reduce<Line | null>(
    (all, line) =>
      all === null
        ? { ...line, key: '', rest: true }
        : { ...all, total: add(all.total, line.total), values: all.values.map((value, i) => add(value, line.values[i] ?? null)) },
    null,
  )
  return rest === null ? kept : [...kept, rest]
}

/** Heights of stacked lines: each value with all before it. Unknown counts as nothing to stack on. */
export const stacked = (lines: readonly Line[]): readonly (readonly number[])[] => {
  const heights: number[][] = []
  for (const line of lines) {
    const below = heights.at(-1)
    heights.push(line.values.map((value, i) => Number(value ?? 0) + (below?.[i] ?? 0)))
  }
  return heights
}

export const slots = 8
/**
 * Gives each key a colour slot, 0 to 7, and keeps what it had: a colour must not jump when a refresh changes the order.
 *
 * @param before Slots by key of the last drawing.
 */
export const colourSlots = (keys: readonly string[], before: ReadonlyMap<string, number>): ReadonlyMap<string, number> => {
  const kept = new Map([...before].filter(([key]) => keys.includes(key)))
  const free = Array.from({ length: slots }, (_, i) => i).filter((slot) => ![...kept.values()].includes(slot))
  for (const key of keys) if (!kept.has(key)) kept.set(key, free.shift() ?? slots - 1)
  return kept
}

/** The bucket an instant lies in, as from and to (exclusive) in milliseconds. */
export const bucketAt = (
  { times, stepSeconds }: Pick<Series, 'times' | 'stepSeconds'>,
  i: number,
): { from: number; to: number } | null => {
  const start = times[i]
  if (start === undefined) return null
  const from = Date.parse(start)
  return { from, to: from + stepSeconds * 1000 }
}

/** True when there is nothing to draw: no line, or every value nothing. */
export const isFlat = (lines: readonly Line[]): boolean =>
  lines.every((line) => line.values.every((value) => value === null || Number(value) === 0))
