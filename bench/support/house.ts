import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Health } from '../../web/api/contract.js'
import { BenchFailed } from './bench.js'
import { spawnWeir } from './processes.js'

const folders = new Set<string>()
process.once('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** A temporary folder; it goes away with `use`, or with this process. */
export const withFolder = async <T>(use: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-'))
  folders.add(folder)
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    folders.delete(folder)
  }
}

export const portOf = (url: string): number => Number(new URL(url).port)

/** The analytics side of a running Weir, asked from outside. */
export interface Hub {
  readonly web: string
  readonly sql: string
}

export const healthOf = async ({ web }: Hub): Promise<Health> => {
  const answer = await fetch(`${web}/api/health`)
  if (!answer.ok) throw new BenchFailed(`/api/health answered ${answer.status}.`)
  return (await answer.json()) as Health
}

const answerTo = async ({ sql }: Hub, question: string): Promise<string> => {
  const answer = await fetch(sql, { method: 'POST', body: question })
  const text = await answer.text()
  if (!answer.ok) throw new BenchFailed(`SQL answered ${answer.status}: ${text.slice(0, 300)}`)
  return text
}

/** The first row of a question, as numbers. */
export const askSql = async (hub: Hub, question: string): Promise<readonly number[]> =>
  ((await answerTo(hub, `${question} FORMAT TSV`)).split('\n', 1)[0] ?? '').split('\t').map(Number)

/** All rows of a question. */
export const rowsOf = async <T>(hub: Hub, question: string): Promise<readonly T[]> =>
  (await answerTo(hub, `${question} FORMAT JSONEachRow`))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Waits until `events` calls are stored and nothing is left in the journal.
 *
 * @returns Milliseconds it took.
 * @throws BenchFailed after `limitMs`.
 */
export const untilStored = async (hub: Hub, events: number, limitMs: number): Promise<number> => {
  const begun = performance.now()
  for (;;) {
    const { ingest, journal, causes } = await healthOf(hub)
    if (journal !== null && journal.dropped > 0) throw new BenchFailed(`The journal dropped ${journal.dropped} ends.`)
    if (ingest !== null && ingest.events >= events && ingest.lagBytes === 0) return performance.now() - begun
    if (performance.now() - begun > limitMs)
      throw new BenchFailed(
        `After ${Math.round(limitMs / 1000)} s ${ingest?.events ?? 0} of ${events} calls are stored. ${causes.map(({ effect }) => effect).join(' ')}`,
      )
    await pause(100)
  }
}

/** Roll-ups, and what each counts of a call. */
const rollups: Readonly<Record<string, string>> = {
  r_model_1h: '1',
  r_attempt_1h: 'length(attempts)',
  r_user_1d: '1',
  r_session_1d: "toUInt8(session_id != '')",
  r_prop_1d: 'length(properties)',
}

/**
 * Every roll-up counts as many calls as there are rows, and those that hold all of them the same money.
 *
 * @throws BenchFailed naming the one that differs.
 */
export const checkRollups = async (hub: Hub): Promise<void> => {
  for (const [table, counted] of Object.entries(rollups)) {
    const sums = `SELECT sum(n), toUInt64(sum(cost) * 1000000000000) FROM ${table}`
    const money = counted === '1' ? 'toDecimal128(ifNull(cost_total, 0), 12)' : null
    const rows = `SELECT sum(${counted}), ${money === null ? '0' : `toUInt64(sum(${money}) * 1000000000000)`} FROM requests`
    const [inRollup, rollupPico] = await askSql(hub, sums)
    const [inRows, rowsPico] = await askSql(hub, rows)
    if (inRollup !== inRows || (money !== null && rollupPico !== rowsPico))
      throw new BenchFailed(
        `${table} tells ${inRollup} calls for ${rollupPico} pico-USD, the rows ${inRows}${money === null ? '' : ` for ${rowsPico}`}.`,
      )
  }
}

/**
 * Every call has its row, once, with its bodies, and was read to its end.
 *
 * @throws BenchFailed saying what is missing.
 */
export const checkRows = async (hub: Hub, calls: number): Promise<void> => {
  const [rows, ids, complete] = await askSql(
    hub,
    "SELECT count(), uniqExact(request_id), countIf(outcome = 'complete' AND input_tokens = 120 AND output_tokens = 160) FROM requests",
  )
  const [bodies] = await askSql(hub, "SELECT countIf(request_body != '' AND response_body != '') FROM request_bodies")
  if (rows !== calls || ids !== calls || complete !== calls || bodies !== calls)
    throw new BenchFailed(
      `${calls} calls left ${rows} rows, ${ids} of them different, ${complete} complete with their tokens, ${bodies} with both bodies.`,
    )
  await checkRollups(hub)
}

export interface House extends Hub {
  readonly proxy: number
  readonly pids: { readonly supervisor: number; readonly proxy: number; readonly hub: number }
}

/** `weir start` with everything on in a fresh folder, every provider of `yaml`; stopped after `use`, also when it fails. */
export const withWeir = <T>(
  yaml: string,
  use: (house: House) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> =>
  withFolder(async (folder) => {
    writeFileSync(join(folder, 'weir.yaml'), yaml)
    const weir = spawnWeir(['start', '--json'], folder, env)
    let others: readonly number[] = []
    try {
      const { proxy, web, sql, pids } = JSON.parse(await weir.line) as {
        readonly proxy: string
        readonly web: string
        readonly sql: string | null
        readonly pids: House['pids']
      }
      others = Object.values(pids)
      // With a ClickHouse server there is no SQL of our own to ask.
      return await use({ proxy: portOf(proxy), web, sql: sql ?? env.CLICKHOUSE_URL ?? '', pids })
    } finally {
      await weir.stop(others)
    }
  })

/** weir.yaml that sends the calls for OpenAI to the bench's own upstream. */
export const openaiAt = (port: number): string => `providers:\n  openai: { origin: "http://127.0.0.1:${port}" }\n`
