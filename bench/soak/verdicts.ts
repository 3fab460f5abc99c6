import { check, type ClientCall, type StoredCall, type UpstreamCall, type Verdicts } from '../../e2e/checker/check.js'
import { BenchFailed } from '../support/bench.js'
import { checkRollups, rowsOf, type Hub } from '../support/house.js'
import { costOf, keptHash, markOf, numberOf, planOf } from './plan.js'
import type { SoakLoad } from './load.js'
import type { SeenCall } from './upstream.js'

interface Options {
  readonly hub: Hub
  readonly load: SoakLoad
  readonly seen: (from: number, to: number) => Promise<readonly SeenCall[]>
  readonly seed: number
}

/** Calls that are compared at a time: memory holds no more of them as objects. */
const chunk = 5000
/** A call that was issued waits for a frozen proxy so long, at most. */
const lateMs = 60_000

const storedBetween = async ({ hub, load }: Options, from: number, to: number): Promise<readonly StoredCall[]> => {
  const [since, until] = [load.issuedAt(from) - 2000, load.issuedAt(to + 1000) + lateMs].map((ms) => (ms / 1000).toFixed(3))
  const time = `ts BETWEEN toDateTime64(${since}, 3, 'UTC') AND toDateTime64(${until}, 3, 'UTC')`
  const rows = await rowsOf<StoredCall>(
    hub,
    `SELECT toString(r.request_id) AS id, properties['mark'] AS mark, outcome, status, error_code AS errorCode,
      toUInt32(length(attempts)) AS attempts, has(warnings, 'replayed') AS replayed, input_tokens AS inputTokens,
      output_tokens AS outputTokens, toString(cost_total) AS cost, substring(b.response_sha256, 1, ${keptHash * 2}) AS responseSha256
      FROM (SELECT * FROM requests WHERE ${time} AND toUInt32OrZero(substring(properties['mark'], 2)) BETWEEN ${from} AND ${to - 1}) AS r
      LEFT JOIN (SELECT request_id, response_sha256 FROM request_bodies WHERE ${time}) AS b ON b.request_id = r.request_id`,
  )
  return rows
}

/** @returns What is not as it should be of a call that the upstream failed: one row, that says so. */
const faultOf = (seen: SeenCall, call: ClientCall | undefined, rows: readonly StoredCall[]): string | null => {
  const [row] = rows
  if (row === undefined || call === undefined) return null
  if (row.outcome === 'proxy_lost') return call.end === 'whole' ? 'proxy_lost, but the client saw its end' : null
  if (call.end === 'left' && row.outcome === 'client_abort') return null
  if (seen.mode === 'status 500')
    return row.outcome === 'complete' && row.status === 500 && row.responseSha256 === seen.hash
      ? null
      : `${row.outcome} ${row.status}, the upstream sent 500`
  if (row.outcome !== 'upstream_abort') return `${row.outcome}, the upstream broke off`
  // A stream that breaks off ends with an error event, the HTTP message whole.
  return call.end === 'whole' && call.sha256 === seen.hash ? 'upstream_abort, but the client saw all of the answer' : null
}

const upstreamCalls = (seed: number, calls: readonly SeenCall[]): UpstreamCall[] =>
  calls.flatMap(({ n, sends, status, whole, hash }) => {
    const plan = planOf(seed, n)
    const { inputTokens, outputTokens } = plan
    const one = { mark: markOf(n), sentSha256: whole ? hash : null, status, inputTokens, outputTokens, cost: costOf(plan) }
    return Array.from({ length: sends }, () => one)
  })

const nothing = { rowSums: { calls: 0, cost: '0' }, rollups: [] } as const

/** The verdicts of one stretch of calls; what the upstream failed is judged here, everything else by the checker. */
const judged = async (options: Options, from: number, to: number): Promise<Verdicts> => {
  const client = options.load.between(from, to)
  const seen = await options.seen(from, to)
  const rows = await storedBetween(options, from, to)
  const failed = new Map(seen.filter(({ mode }) => mode !== 'well').map((call) => [call.n, call]))
  const apart = ({ mark }: { readonly mark: string }): boolean => !failed.has(numberOf(mark))
  const verdicts = check({
    client: client.filter(apart),
    upstream: upstreamCalls(
      options.seed,
      seen.filter(({ n }) => !failed.has(n)),
    ),
    rows: rows.filter(apart),
    ...nothing,
  })
  const byMark = new Map(client.map((call) => [call.mark, call]))
  const lost: string[] = []
  const double: string[] = []
  const wrong: string[] = []
  for (const call of failed.values()) {
    const mark = markOf(call.n)
    const own = rows.filter((row) => row.mark === mark)
    if (own.length === 0) lost.push(`${mark}: the upstream had it (${call.mode}), no row`)
    if (own.length > 1) double.push(`${mark}: one call, ${own.length} rows`)
    const fault = faultOf(call, byMark.get(mark), own)
    if (fault !== null) wrong.push(`${own[0]?.id ?? ''} (${mark}): ${fault}`)
  }
  return {
    ...verdicts,
    issued: client.length,
    finished: client.filter(({ end }) => end === 'whole').length,
    upstream: verdicts.upstream + [...failed.values()].reduce((sum, { sends }) => sum + sends, 0),
    rows: rows.length,
    lost: [...verdicts.lost, ...lost],
    double: [...verdicts.double, ...double],
    wrong: [...verdicts.wrong, ...wrong],
    proxyLost: rows.filter(({ outcome }) => outcome === 'proxy_lost').length,
  }
}

const none: Verdicts = { issued: 0, finished: 0, upstream: 0, rows: 0, lost: [], double: [], wrong: [], unseen: 0, proxyLost: 0 }

const sum = (a: Verdicts, b: Verdicts): Verdicts => ({
  issued: a.issued + b.issued,
  finished: a.finished + b.finished,
  upstream: a.upstream + b.upstream,
  rows: a.rows + b.rows,
  lost: [...a.lost, ...b.lost],
  double: [...a.double, ...b.double],
  wrong: [...a.wrong, ...b.wrong],
  unseen: a.unseen + b.unseen,
  proxyLost: a.proxyLost + b.proxyLost,
})

/** Compares the three histories of all calls, some at a time. */
export const judge = async (options: Options): Promise<Verdicts> => {
  let all = none
  const issued = options.load.issued()
  for (let from = 0; from < issued; from += chunk) all = sum(all, await judged(options, from, Math.min(issued, from + chunk)))
  const [{ rows = 0, ids = 0 } = {}] = await rowsOf<{ readonly rows: number; readonly ids: number }>(
    options.hub,
    'SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(request_id)) AS ids FROM requests',
  )
  const strays = rows === all.rows ? [] : [`${rows} rows are there, ${all.rows} of them belong to a call of the load`]
  const twice = rows === ids ? [] : [`${rows} rows have ${ids} ids`]
  const sums = await checkRollups(options.hub).then(
    () => [],
    (cause: unknown) => {
      if (!(cause instanceof BenchFailed)) throw cause
      return [cause.message]
    },
  )
  return { ...all, wrong: [...all.wrong, ...strays], double: [...all.double, ...twice, ...sums] }
}
