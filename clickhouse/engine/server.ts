import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseSettings } from '@clickhouse/client'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { DbError, type Db, type Params } from '../db.js'
import { passGate } from './pass-gate.js'
import { insertSettings } from './insert-settings.js'
import { boundParams } from './bound-params.js'

const exact: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  session_timezone: 'UTC',
}
const limits = (seconds: number): ClickHouseSettings => ({
  max_execution_time: seconds,
  max_result_rows: '10000',
  max_memory_usage: '1073741824',
  // Else an error after the first rows would come inside a 200.
  wait_end_of_query: 1,
})

const failure = (cause: unknown): DbError => {
  if (cause instanceof DbError) return cause
  if (cause instanceof ClickHouseError)
    return new DbError(
      Number(cause.code),
      `Code: ${cause.code}. DB::Exception: ${cause.message}${cause.type === undefined ? '' : ` (${cause.type})`}`,
      { cause },
    )
  return new DbError(0, `The ClickHouse server does not answer: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  })
}

// The client escapes what it is given as a parameter; these are escaped already, so they go as what else stands in the URL.
const wired = (wireParams: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(wireParams).map(([name, text]) => [`param_${name}`, text]))

const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (cause) {
    throw failure(cause)
  }
}

/**
 * A ClickHouse server over HTTP.
 *
 * @param url `http(s)://[user:password@]host:port[/database]`; the database is `default` unless named.
 */
export const openServer = (url: string): Db => {
  const client = createClient({
    url,
    application: 'weir',
    request_timeout: 60_000,
    max_open_connections: 8,
    // Every failure is thrown to the caller, who logs it once.
    log: { level: ClickHouseLogLevel.OFF },
  })
  return {
    rows: <T>(name: string, sql: string, params: Params = {}) =>
      guarded(async () => {
        const answer = await client.query({
          query: sql,
          format: 'JSONEachRow',
          query_params: boundParams(sql, params),
          clickhouse_settings: { ...exact, ...limits(10), readonly: '2', log_comment: name },
        })
        return await answer.json<T>()
      }),
    raw: (text, { format, params, wireParams = {}, maxSeconds = 10 }) =>
      guarded(async () => {
        const sql = passGate(text)
        const startedAt = performance.now()
        const settings = { ...exact, ...limits(maxSeconds), readonly: '1', default_format: format, ...wired(wireParams) }
        const { stream, response_headers } = await client.exec({
          query: sql,
          query_params: boundParams(sql, params),
          clickhouse_settings: settings as ClickHouseSettings,
        })
        const bytes = await buffer(stream)
        const summary = JSON.parse(String(response_headers['x-clickhouse-summary'] ?? '{}')) as Record<string, string>
        return {
          bytes,
          elapsedMs: performance.now() - startedAt,
          rowsRead: Number(summary.read_rows ?? 0),
          bytesRead: Number(summary.read_bytes ?? 0),
        }
      }),
    exec: (sql) =>
      guarded(async () => {
        await client.command({ query: sql })
      }),
    insert: (table, lines, token) =>
      guarded(async () => {
        const { stream } = await client.exec({
          query: `INSERT INTO ${table} FORMAT JSONEachRow`,
          values: Readable.from([lines], { objectMode: false }),
          clickhouse_settings: insertSettings(token),
        })
        await buffer(stream)
      }),
    close: () => client.close(),
  }
}
