/**
 * Lines of JSONEachRow for one table, one entry per record of a batch; a record may have none. The memory is kept between
 * batches: `clear()` starts the next one, and slices taken before are void from then on.
 */
export interface Lines {
  /** Adds the next record's line, or none. */
  push(row: object | null): void
  /** Number of records, with or without a line. */
  readonly count: number
  readonly bytes: number
  /** The lines of records `from` (inclusive) to `to` (exclusive): a view, not a copy. */
  slice(from: number, to: number): Buffer
  clear(): void
}

/** Columns by name; a plain object. */
type Row = Readonly<Record<string, unknown>>

const isEmpty = (value: object): boolean => {
  if (Array.isArray(value)) return value.length === 0
  for (const _ in value) return false
  return true
}

/**
 * Leaves out what is the column's default anyway: null, false, empty text, empty lists and maps. Half of a row's 80 columns are, and
 * both sides save the work (lines 40 -> 20, insert 75 -> 54 microseconds a row). Numbers stay: 0 tokens are not NULL tokens.
 */
const withoutDefaults = (row: Row): object => {
  const rest: Record<string, unknown> = {}
  for (const column in row) {
    const value: unknown = row[column]
    if (value === null || value === '' || value === false) continue
    if (typeof value === 'object' && isEmpty(value)) continue
    rest[column] = value
  }
  return rest
}

const smallest = 256 * 1024
/** Memory above this is given back by `clear()`: one large batch must not raise the process for ever. */
const kept = 32 * 1024 * 1024

export const createLines = (): Lines => {
  let buffer = Buffer.allocUnsafe(smallest)
  let used = 0
  let ends: number[] = []
  const reserve = (bytes: number): void => {
    if (used + bytes <= buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + bytes))
    buffer.copy(larger, 0, 0, used)
    buffer = larger
  }
  return {
    push(row) {
      if (row !== null) {
        const json = JSON.stringify(withoutDefaults(row as Row))
        reserve(json.length * 3 + 1) // three bytes are the most one UTF-16 unit takes in UTF-8
        used += buffer.write(json, used)
        buffer[used++] = 10
      }
      ends.push(used)
    },
    get count() {
      return ends.length
    },
    get bytes() {
      return used
    },
    slice(from, to) {
      return buffer.subarray(from === 0 ? 0 : (ends[from - 1] ?? used), to === 0 ? 0 : (ends[to - 1] ?? used))
    },
    clear() {
      if (buffer.length > kept) buffer = Buffer.allocUnsafe(smallest)
      used = 0
      ends = []
    },
  }
}
