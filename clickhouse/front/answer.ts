import type { RawResult } from '../db.js'

const contentTypes: readonly (readonly [pattern: RegExp, type: string])[] = [
  [
    /^JSON(Compact)?(Strings|Columns|ColumnsWithMetadata)?$|^JSONCompactStrings$|^JSONObjectEachRow$/,
    'application/json; charset=UTF-8',
  ],
  [/^(JSON.*EachRow.*|NDJSON|JSONLines)$/, 'application/x-ndjson; charset=UTF-8'],
  [/^CSV/, 'text/csv; charset=UTF-8; header=absent'],
  [/^(TSV|TabSeparated)/, 'text/tab-separated-values; charset=UTF-8'],
  [/^XML$/, 'application/xml; charset=UTF-8'],
  [/^(Pretty|Vertical|Values|Markdown|Custom|LineAs)/, 'text/plain; charset=UTF-8'],
]

/** The media type ClickHouse gives an answer in this format. */
export const contentTypeOf = (format: string): string => {
  if (/^(CSV|TSV|TabSeparated).*WithNames/.test(format))
    return (format.startsWith('CSV') ? 'text/csv' : 'text/tab-separated-values') + '; charset=UTF-8; header=present'
  return contentTypes.find(([pattern]) => pattern.test(format))?.[1] ?? 'application/octet-stream'
}

/** The format an answer comes in: the SQL's own FORMAT clause at its end, else the one asked for beside it. */
export const formatOf = (sql: string, asked: string): string => /\bFORMAT\s+([A-Za-z]\w*)[\s;]*$/i.exec(sql)?.[1] ?? asked

/** `X-ClickHouse-Summary`. The engine does not count the rows of an answer; JDBC takes 0 for "no answer", so some means 1. */
export const summaryOf = ({ bytes, elapsedMs, rowsRead, bytesRead }: RawResult): string =>
  JSON.stringify({
    read_rows: String(rowsRead),
    read_bytes: String(bytesRead),
    written_rows: '0',
    written_bytes: '0',
    total_rows_to_read: '0',
    result_rows: bytes.length === 0 ? '0' : '1',
    result_bytes: String(bytes.length),
    elapsed_ns: String(Math.round(elapsedMs * 1e6)),
  })

const statuses: Readonly<Record<number, number>> = {
  // Cannot be parsed, wrong types, bad arguments.
  ...Object.fromEntries(
    [6, 26, 27, 36, 38, 41, 42, 43, 44, 48, 50, 53, 57, 62, 69, 70, 72, 73, 130, 179, 184, 206, 215, 386, 456, 457].map(
      (code) => [code, 400],
    ),
  ),
  ...Object.fromEntries([16, 46, 47, 60, 81].map((code) => [code, 404])),
  159: 408,
  160: 408,
  164: 403,
  194: 401,
  202: 503,
  354: 400,
  497: 403,
  516: 403,
}

/** The HTTP status ClickHouse gives an error code. */
export const statusOf = (code: number): number => statuses[code] ?? 500
