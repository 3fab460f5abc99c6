import type { Comparison, Disagreement } from './compare.js'
import { explains, type Difference } from './differences.js'

const columns = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)))
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What has no reason yet, as a table for a terminal; `null` when everything has one. */
export const unexplainedTable = (unexplained: readonly Disagreement[]): string | null =>
  unexplained.length === 0
    ? null
    : columns([
        ['package', 'provider', 'model', 'use', 'ours, USD', 'theirs, USD', 'their key'],
        ...unexplained.map((one) => [
          one.package,
          one.provider,
          one.model,
          one.usage,
          one.ours ?? 'no price',
          one.theirs,
          one.key,
        ]),
      ])

export interface Reviewed {
  readonly unexplained: readonly Disagreement[]
  /** Reasons for which nothing was found: the other package was mended, or we were. */
  readonly unused: readonly Difference[]
}

/** Sets the disagreements against their reasons. */
export const review = (comparisons: readonly Comparison[], all: readonly Difference[]): Reviewed => {
  const found = comparisons.flatMap(({ disagreements }) => disagreements)
  return {
    unexplained: found.filter((one) => !all.some((difference) => explains(difference, one))),
    unused: all.filter((difference) => !found.some((one) => explains(difference, one))),
  }
}

/** How many models of theirs we have no price for, by provider. */
export const unknownLine = ({ unknown }: Comparison): string =>
  [...unknown]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([provider, models]) => `${provider} ${models.length}`)
    .join(', ')
