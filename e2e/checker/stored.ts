import type { Db } from '../../clickhouse/db.js'
import { rollupsOf } from '../../clickhouse/rollups/rollups.js'
import { differing, sumsInRollup, sumsOfCalls } from '../../clickhouse/rollups/sums.js'
import type { RunningHouse } from '../support/house.js'
import type { StoredCall, Sums } from './check.js'

type Asked = Pick<RunningHouse, 'query'>

/** The SQL front answers 10,000 rows at most. */
const atOnce = 5000

/** All rows, as the checker compares them; with a beginning, those whose mark begins so. */
export const storedCalls = async (house: Asked, beginning = ''): Promise<StoredCall[]> => {
  const isAsked = `startsWith(properties['mark'], {beginning:String})`
  const [counted] = await house.query<{ n: number }>(`SELECT toUInt32(count()) AS n FROM requests WHERE ${isAsked}`, {
    beginning,
  })
  const parts = Math.ceil((counted?.n ?? 0) / atOnce) + 1
  const rows: StoredCall[] = []
  // Rows of one id are in one part.
  for (let part = 0; part < parts; part++)
    rows.push(
      ...(await house.query<StoredCall>(
        `SELECT toString(r.request_id) AS id, properties['mark'] AS mark, outcome, status, error_code AS errorCode,
        toUInt32(length(r.attempts)) AS attempts, has(warnings, 'replayed') AS replayed,
        toUInt32(arrayCount(f -> f.replayed, attempt_facts)) AS replays, arrayMap(a -> (a.model, a.status), arraySort(a -> a.n, r.attempts)) AS targets,
        toString(arraySum(arrayMap(a -> toDecimal128(ifNull(a.cost, 0), 12), r.attempts))) AS attemptsCost,
        cache_status AS cacheStatus, toString(cost_saved) AS saved, input_tokens AS inputTokens,
        output_tokens AS outputTokens, toString(cost_total) AS cost, b.response_sha256 AS responseSha256
        FROM requests AS r
        LEFT JOIN (SELECT request_id, response_sha256 FROM request_bodies WHERE cityHash64(request_id) % ${parts} = ${part}) AS b
        ON b.request_id = r.request_id
        WHERE ${isAsked} AND cityHash64(r.request_id) % ${parts} = ${part}`,
        { beginning },
      )),
    )
  return rows
}

export const rowSums = async (house: Asked): Promise<Omit<Sums, 'of'>> => {
  const [sums] = await house.query<Omit<Sums, 'of'>>(
    'SELECT toUInt32(count()) AS calls, toString(sum(toDecimal128(ifNull(cost_total, 0), 12))) AS cost FROM requests',
  )
  return sums ?? { calls: 0, cost: '0' }
}

/** The roll-ups every call is in. */
export const rollupSums = (house: Asked): Promise<Sums[]> =>
  Promise.all(
    ['r_model_1h', 'r_user_1d'].map(async (of) => {
      const [sums] = await house.query<Omit<Sums, 'of'>>(
        `SELECT toUInt32(sum(n)) AS calls, toString(sum(cost)) AS cost FROM ${of}`,
      )
      return { of, ...(sums ?? { calls: 0, cost: '0' }) }
    }),
  )

const dayMs = 86_400_000

/** Every roll-up of which any sum differs from that over the rows, in words. To be asked when nothing is inserted. */
export const rollupFaults = async (house: Asked): Promise<string[]> => {
  const db: Pick<Db, 'rows'> = {
    rows: (_, sql, params = {}) =>
      house.query(sql, Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]))),
  }
  const [{ first = 0, last = 0 } = {}] = await house.query<{ first: number; last: number }>(
    'SELECT toUInt32(toUnixTimestamp(min(ts))) AS first, toUInt32(toUnixTimestamp(max(ts))) AS last FROM requests',
  )
  // Whole days: the rows of some roll-ups are one a day.
  const span = {
    fromMs: Math.floor((first * 1000) / dayMs) * dayMs,
    toMs: (Math.floor((last * 1000) / dayMs) + 1) * dayMs,
  }
  const faults: string[] = []
  for (const rollup of await rollupsOf(db)) {
    const [rows, stored] = [await sumsOfCalls(db, rollup, span), await sumsInRollup(db, rollup, span)]
    if (differing(rows, stored) === 0) continue
    const shown = (sums: typeof rows): string => [...sums.values()].map((values) => values.join(' ')).join('; ')
    faults.push(`${rollup.name} (${rollup.sums.join(' ')}): ${shown(stored)}, the rows ${shown(rows)}`)
  }
  return faults
}
