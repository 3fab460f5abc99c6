import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { asker } from './sql.js'
import { until } from './wait.js'

/** One row of `requests`, with what the tests look at. Amounts are decimal strings, exact. */
export interface Row {
  readonly id: string
  readonly provider: string
  readonly api: string
  readonly operation: string
  readonly endpoint: string
  readonly streaming: boolean
  readonly status: number
  readonly outcome: string
  readonly errorKind: string
  readonly errorCode: string
  readonly requestModel: string
  readonly responseModel: string
  readonly finishReason: string
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cacheReadTokens: number | null
  readonly cacheWriteTokens: number | null
  readonly cacheWrite5mTokens: number | null
  readonly cacheWrite1hTokens: number | null
  readonly reasoningTokens: number | null
  readonly inputAudioTokens: number | null
  readonly outputAudioTokens: number | null
  readonly inputImageTokens: number | null
  readonly outputImageTokens: number | null
  readonly usageExtra: Readonly<Record<string, number>>
  readonly serviceTier: string
  readonly providerCost: string | null
  readonly usageSource: string
  readonly usageReason: string
  readonly usageNotes: readonly string[]
  readonly cost: string | null
  readonly costStatus: string
  readonly costReason: string
  readonly altered: readonly string[]
  readonly warnings: readonly string[]
  readonly reqBytes: number
  readonly resBytes: number
  readonly toolCalls: number
  readonly userId: string
  readonly sessionId: string
  readonly properties: Readonly<Record<string, string>>
  readonly inputPreview: string
  readonly outputPreview: string
  readonly attempts: number
  readonly requestSha256: string
  readonly responseSha256: string
}

const columns = `toString(r.request_id) AS id, provider, api, operation, endpoint, streaming, status, outcome,
 error_kind AS errorKind, error_code AS errorCode, request_model AS requestModel, response_model AS responseModel,
 finish_reason AS finishReason, input_tokens AS inputTokens, output_tokens AS outputTokens, cache_read_tokens AS cacheReadTokens,
 cache_write_tokens AS cacheWriteTokens, cache_write_5m_tokens AS cacheWrite5mTokens, cache_write_1h_tokens AS cacheWrite1hTokens,
 reasoning_tokens AS reasoningTokens, input_audio_tokens AS inputAudioTokens,
 output_audio_tokens AS outputAudioTokens, input_image_tokens AS inputImageTokens, output_image_tokens AS outputImageTokens,
 usage_extra AS usageExtra, service_tier AS serviceTier, toString(cost_provider) AS providerCost, usage_source AS usageSource,
 usage_reason AS usageReason, usage_notes AS usageNotes, toString(cost_total) AS cost, cost_status AS costStatus,
 cost_reason AS costReason, altered, warnings, toFloat64(req_bytes) AS reqBytes, toFloat64(res_bytes) AS resBytes,
 tool_calls AS toolCalls, user_id AS userId, session_id AS sessionId, properties, input_preview AS inputPreview,
 output_preview AS outputPreview, toUInt32(length(attempts)) AS attempts,
 b.request_sha256 AS requestSha256, b.response_sha256 AS responseSha256`

/** A whole Weir: built processes in a folder of their own. */
export interface RunningHouse {
  readonly proxy: string
  readonly web: string
  readonly sql: string
  readonly folder: string
  /** Everything is written here: `weir.yaml`, read anew when it is saved. */
  readonly configFile: string
  readonly supervisor: number
  /** Process ids of the roles as they were when the house was ready. */
  readonly pids: { readonly supervisor: number; readonly proxy: number; readonly hub: number }
  /** What the processes said on stderr, so far. */
  stderr(): string
  /** Rows of a query at the SQL front. The format is ours: leave it out. */
  query<T>(sql: string, params?: Readonly<Record<string, string>>): Promise<T[]>
  /** Rows that fulfil a condition on `r`, the table `requests`. */
  rows(where: string, params?: Readonly<Record<string, string>>): Promise<Row[]>
  /** The row of a call, as soon as it is there; fails on a second one. */
  row(id: string, timeoutMs?: number): Promise<Row>
  /** Resolves once everything in the journal is stored. */
  caughtUp(timeoutMs?: number): Promise<void>
  /** Ends the house; safe twice. `graceful` false: kill -9 for all. */
  stop(graceful?: boolean): Promise<void>
}

interface Options {
  /** Text of weir.yaml. */
  readonly yaml: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
}

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** weir.yaml that sends these providers to one origin. */
export const providersAt = (origin: string, names: readonly string[]): string =>
  `providers:\n${names.map((name) => `  ${name}: { origin: "${origin}" }\n`).join('')}`

const firstLine = (child: ChildProcess, stderr: () => string): Promise<string> =>
  new Promise((resolve, reject) => {
    let stdout = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (stdout.includes('\n')) resolve(stdout.slice(0, stdout.indexOf('\n')))
    })
    child.once('exit', (code, signal) =>
      reject(new Error(`weir start ended (${code ?? signal}) before it was ready. ${stderr()}`)),
    )
    child.once('error', reject)
  })

const pollMs = 150

/** However many tests wait for a row, one query at a time asks for all of them. */
const rowWaiter = (rowsOf: (ids: readonly string[]) => Promise<Row[]>): RunningHouse['row'] => {
  const waiting = new Map<string, Promise<Row>>()
  const found = new Map<string, (rows: readonly Row[]) => void>()
  let asking = false
  const ask = async (): Promise<void> => {
    asking = true
    while (found.size > 0) {
      const rows = await rowsOf([...found.keys()]).catch(() => [])
      for (const [id, tell] of found) {
        const own = rows.filter((row) => row.id === id)
        if (own.length > 0) tell(own)
      }
      if (found.size > 0) await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
    asking = false
  }
  const wait = (id: string, timeoutMs: number): Promise<Row> =>
    new Promise<Row>((resolve, reject) => {
      const over = setTimeout(() => {
        found.delete(id)
        reject(new Error(`Waited ${timeoutMs} ms in vain for the row of ${id}.`))
      }, timeoutMs)
      found.set(id, ([row, ...more]) => {
        clearTimeout(over)
        found.delete(id)
        if (more.length > 0) reject(new Error(`${more.length + 1} rows for ${id}.`))
        else resolve(row as Row)
      })
      if (!asking) void ask()
    }).finally(() => waiting.delete(id))
  return (id, timeoutMs = 30_000) => {
    const before = waiting.get(id) ?? wait(id, timeoutMs)
    waiting.set(id, before)
    return before
  }
}

/**
 * Starts `weir start --json` from `dist/`, every port picked by the system.
 *
 * @returns When all roles are ready. Whoever opens it stops it (`afterAll`, `onTestFinished`): that removes the folder.
 */
export const openHouse = async ({ yaml, env = {}, args = [] }: Options): Promise<RunningHouse> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-e2e-'))
  const configFile = join(folder, 'weir.yaml')
  writeFileSync(configFile, yaml)
  let said = ''
  // A process group of its own: whatever happens, one signal ends all of it.
  const child = spawn(process.execPath, [main, 'start', '--json', ...args], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      WEIR_DATA: join(folder, 'data'),
      WEIR_CONFIG: configFile,
      WEIR_PROXY_PORT: '0',
      WEIR_WEB_PORT: '0',
      WEIR_SQL_PORT: '0',
      WEIR_LOG_LEVEL: 'warn',
      ...env,
    },
  })
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const killAll = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // All gone already.
    }
  }
  process.once('exit', killAll)
  const exited = once(child, 'close')
  let stopped: Promise<void> | null = null
  const stop = (graceful = true): Promise<void> =>
    (stopped ??= (async () => {
      if (graceful) child.kill('SIGTERM')
      else killAll()
      const hurry = setTimeout(killAll, 20_000)
      if (child.exitCode === null && child.signalCode === null) await exited
      clearTimeout(hurry)
      killAll()
      process.off('exit', killAll)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })())
  const ready = await firstLine(child, () => said).catch(async (cause: unknown) => {
    await stop(false)
    throw cause
  })
  const { proxy, web, pids, ...addresses } = JSON.parse(ready) as {
    proxy: string
    web: string
    sql: string | null
    pids: RunningHouse['pids']
  }
  const sql = addresses.sql ?? env.CLICKHOUSE_URL ?? ''
  const query = asker(sql)
  const rows = (where: string, params: Readonly<Record<string, string>> = {}): Promise<Row[]> =>
    query<Row>(
      `SELECT ${columns} FROM requests AS r LEFT JOIN request_bodies AS b ON b.request_id = r.request_id WHERE ${where}`,
      params,
    )
  return {
    proxy,
    web,
    sql,
    folder,
    configFile,
    supervisor: pids.supervisor,
    pids,
    stderr: () => said,
    query,
    rows,
    row: rowWaiter((ids) => rows(`r.request_id IN ({ids:Array(UUID)})`, { ids: `['${ids.join("','")}']` })),
    async caughtUp(timeoutMs = 30_000) {
      // The hub measures once a second: a 0 of before the last call is none.
      let zeroSince: number | null = null
      await until(
        'ingest to read the journal out',
        async () => {
          const { ingest } = (await (await fetch(`${web}/api/health`)).json()) as {
            ingest: { lagBytes: number; lagSeconds: number }
          }
          if (ingest.lagBytes > 0 || ingest.lagSeconds > 0) zeroSince = null
          else zeroSince ??= Date.now()
          return zeroSince !== null && Date.now() - zeroSince > 1500
        },
        { timeoutMs, everyMs: 250 },
      )
    },
    stop,
  }
}
