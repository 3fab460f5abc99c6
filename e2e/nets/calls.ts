import type { Db } from '../../clickhouse/db.js'
import { nobody, type Exchange } from '../../core/exchange.js'
import { usdOf } from '../../core/prices/money.js'
import { exchange, idOf } from '../../ingest/testing.js'

const dayMs = 86_400_000
/** Noon of yesterday: an hour and a day that are over. */
const noon = Math.floor(Date.now() / dayMs) * dayMs - dayMs / 2

const tokensOf = (n: number) => ({ input: 1000 + (n % 317), output: 100 + (n % 41) })

/** Call number n of a test: every tenth failed once before, every other has a session, each has two properties. */
export const callOf = (n: number): Exchange => {
  const { input, output } = tokensOf(n)
  const call = exchange()
  const [attempt] = call.attempts
  if (attempt === undefined) throw new Error('A call has an attempt.')
  return exchange({
    id: idOf(n),
    tenant: `t${n % 3}`,
    seq: n,
    startedAt: new Date(noon + n * 10).toISOString(),
    responseId: `chatcmpl-${n}`,
    usageRaw: [
      {
        source: 'usage',
        json: JSON.stringify({ prompt_tokens: input, completion_tokens: output, total_tokens: input + output }),
      },
    ],
    attempts: n % 10 === 0 ? [{ ...attempt, status: 503, errorKind: 'overloaded' }, attempt] : [attempt],
    identity: {
      ...nobody,
      userId: `user-${n % 7}`,
      sessionId: n % 2 === 0 ? `session-${n % 11}` : '',
      properties: { feature: `f${n % 5}`, team: 'blue' },
    },
  })
}

/** What stands in the table, and in each roll-up, as decimal text. */
export interface Told {
  readonly rows: readonly [calls: string, ids: string, usd: string]
  readonly bodies: string
  readonly model: readonly [calls: string, usd: string, tokens: string]
  readonly user: readonly [calls: string, usd: string]
  readonly attempt: readonly [tries: string, later: string]
  readonly session: readonly [calls: string, usd: string]
  readonly property: readonly [calls: string, usd: string]
}

/** Calls 0 to `calls`, each `times`; gpt-4o-mini: 0.15 and 0.60 USD a million tokens, in pico-USD 150,000 and 600,000 each. */
export const expected = (calls: number, times = 1): Told => {
  const sum = (of: (n: number) => number): bigint =>
    Array.from({ length: calls }).reduce<bigint>((total, _, n) => total + BigInt(of(n)), 0n) * BigInt(times)
  const pico = (n: number): number => tokensOf(n).input * 150_000 + tokensOf(n).output * 600_000
  const usd = (of: (n: number) => number): string => usdOf(sum(of))
  const inSession = (n: number): number => (n % 2 === 0 ? 1 : 0)
  const all = String(calls * times)
  return {
    rows: [all, String(calls), usd(pico)],
    bodies: all,
    model: [all, usd(pico), String(sum((n) => tokensOf(n).input + tokensOf(n).output))],
    user: [all, usd(pico)],
    attempt: [String(sum((n) => (n % 10 === 0 ? 2 : 1))), String(sum((n) => (n % 10 === 0 ? 1 : 0)))],
    session: [String(sum(inSession)), usd((n) => inSession(n) * pico(n))],
    property: [String(calls * times * 2), usd((n) => 2 * pico(n))],
  }
}

/** @param final Rows and bodies as they are once parts are merged. */
export const toldBy = async (db: Pick<Db, 'rows'>, final: 'FINAL' | '' = ''): Promise<Told> => {
  const [row] = await db.rows<Told>(
    'told',
    `SELECT (SELECT tuple(toString(count()), toString(uniqExact(request_id)), toString(sum(toDecimal128(ifNull(cost_total, 0), 12)))) FROM requests ${final}) AS rows,
       (SELECT toString(count()) FROM request_bodies ${final}) AS bodies,
       (SELECT tuple(toString(sum(n)), toString(sum(cost)), toString(sum(tokens))) FROM r_model_1h) AS model,
       (SELECT tuple(toString(sum(n)), toString(sum(cost))) FROM r_user_1d) AS user,
       (SELECT tuple(toString(sum(n)), toString(sum(later))) FROM r_attempt_1h) AS attempt,
       (SELECT tuple(toString(sum(n)), toString(sum(cost))) FROM r_session_1d) AS session,
       (SELECT tuple(toString(sum(n)), toString(sum(cost))) FROM r_prop_1d) AS property`,
  )
  if (row === undefined) throw new Error('The store told nothing.')
  return row
}
