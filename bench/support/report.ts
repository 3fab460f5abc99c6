export type Cell = string | number

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

/** A figure somebody wants, and whether it was reached. */
export interface Target {
  readonly what: string
  readonly wanted: string
  readonly measured: string
  readonly met: boolean
}

export interface Report {
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
}

/** Three digits or so: more would claim what no run can keep. */
export const figure = (value: number): string => {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

export const atMost = (what: string, measured: number, limit: number, unit = ''): Target => ({
  what,
  wanted: `<= ${figure(limit)}${unit}`,
  measured: `${figure(measured)}${unit}`,
  met: measured <= limit,
})

export const atLeast = (what: string, measured: number, limit: number, unit = ''): Target => ({
  what,
  wanted: `>= ${figure(limit)}${unit}`,
  measured: `${figure(measured)}${unit}`,
  met: measured >= limit,
})

const tableText = ({ title, columns, rows }: Table): string => {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell)))
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)))
  const numeric = columns.map((_, i) => rows.every((row) => typeof row[i] === 'number'))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (numeric[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return [title, line(columns), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n')
}

const targetTable = (targets: readonly Target[]): Table => ({
  title: 'targets',
  columns: ['what', 'wanted', 'measured', 'met'],
  rows: targets.map(({ what, wanted, measured, met }) => [what, wanted, measured, met ? 'yes' : 'NO']),
})

/** Aligned for a terminal: each table, then the targets. */
export const reportText = ({ tables, targets }: Report): string =>
  [...tables, ...(targets.length === 0 ? [] : [targetTable(targets)])].map(tableText).join('\n\n')
