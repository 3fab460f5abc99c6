import type { RunningHouse } from '../support/house.js'
import type { StoredCall, Sums } from './check.js'

/** All rows, as the checker compares them. */
export const storedCalls = (house: Pick<RunningHouse, 'query'>): Promise<StoredCall[]> =>
  house.query<StoredCall>(`SELECT toString(r.request_id) AS id, properties['mark'] AS mark, outcome, status, error_code AS errorCode,
    toUInt32(length(attempts)) AS attempts, has(warnings, 'replayed') AS replayed, input_tokens AS inputTokens,
    output_tokens AS outputTokens, toString(cost_total) AS cost, b.response_sha256 AS responseSha256
    FROM requests AS r LEFT JOIN request_bodies AS b ON b.request_id = r.request_id`)

export const rowSums = async (house: Pick<RunningHouse, 'query'>): Promise<Omit<Sums, 'of'>> => {
  const [sums] = await house.query<Omit<Sums, 'of'>>(
    'SELECT toUInt32(count()) AS calls, toString(sum(toDecimal128(ifNull(cost_total, 0), 12))) AS cost FROM requests',
  )
  return sums ?? { calls: 0, cost: '0' }
}

/** The roll-ups every call is in. */
export const rollupSums = (house: Pick<RunningHouse, 'query'>): Promise<Sums[]> =>
  Promise.all(
    ['r_model_1h', 'r_user_1d'].map(async (of) => {
      const [sums] = await house.query<Omit<Sums, 'of'>>(
        `SELECT toUInt32(sum(n)) AS calls, toString(sum(cost)) AS cost FROM ${of}`,
      )
      return { of, ...(sums ?? { calls: 0, cost: '0' }) }
    }),
  )
