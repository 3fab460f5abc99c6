import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseSettings } from '@clickhouse/client'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { DbError, type Db, type Params } from '../db.js'
import { passGate } from './pass-gate.js'
import { insertSettings } from './insert-settings.js'
import { boundParams } from './bound-params.js'

/**
 * How every question is asked. A user of its own for the pages may have these fixed in a profile (clickhouse/server/roles.sql): the
 * server takes a setting that is what it was, and nothing else, so the two are compared by a test.
 */
export const questionSettings = (seconds: number) =>
  ({
    output_format_json_quote_64bit_integers: 1,
    output_format_json_quote_decimals: 1,
    session_timezone: 'UTC',
    max_execution_time: seconds,
    max_result_rows: '10000',
    max_memory_usage: '1073741824',
    readonly: '1',
  }) as const satisfies ClickHouseSettings

// Else an error after the first rows would come inside a 200. A parameter of the HTTP interface, no setting.
const whole: ClickHouseSettings = { wait_end_of_query: 1 }

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

/** Whatever answers 200 would seem to have taken a batch: a web page, a balancer's notice. */
const fromClickHouse = ({ response_headers }: { readonly response_headers: IncomingHttpHeaders }): void => {
  if (!Object.keys(response_headers).some((name) => name.startsWith('x-clickhouse-')))
    throw new Error('what answers there is no ClickHouse (no X-ClickHouse header): check host and port in CLICKHOUSE_URL')
}

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
          // The name stands in a comment: with `readonly = 1` not even log_comment could be set.
          query: `/* ${name} */ ${sql}`,
          format: 'JSONEachRow',
          query_params: boundParams(sql, params),
          clickhouse_settings: { ...whole, ...questionSettings(10) },
        })
        fromClickHouse(answer)
        return await answer.json<T>()
      }),
    raw: (text, { format, params, wireParams = {}, maxSeconds = 10 }) =>
      guarded(async () => {
        const sql = passGate(text)
        const startedAt = performance.now()
        const settings = { ...whole, ...questionSettings(maxSeconds), default_format: format, ...wired(wireParams) }
        const answer = await client.exec({
          query: sql,
          query_params: boundParams(sql, params),
          clickhouse_settings: settings as ClickHouseSettings,
        })
        const bytes = await buffer(answer.stream)
        fromClickHouse(answer)
        const summary = JSON.parse(String(answer.response_headers['x-clickhouse-summary'] ?? '{}')) as Record<string, string>
        return {
          bytes,
          elapsedMs: performance.now() - startedAt,
          rowsRead: Number(summary.read_rows ?? 0),
          bytesRead: Number(summary.read_bytes ?? 0),
        }
      }),
    exec: (sql) =>
      guarded(async () => {
        fromClickHouse(await client.command({ query: sql, clickhouse_settings: whole }))
      }),
    insert: (table, lines, token) =>
      guarded(async () => {
        const answer = await client.exec({
          query: `INSERT INTO ${table} FORMAT JSONEachRow`,
          values: Readable.from([lines], { objectMode: false }),
          clickhouse_settings: { ...whole, ...insertSettings(token) },
        })
        await buffer(answer.stream)
        fromClickHouse(answer)
      }),
    close: () => client.close(),
  }
}
