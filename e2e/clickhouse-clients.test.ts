import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { send } from './support/send.js'

// Cost attribution in SQL, by the clients people have: curl, @clickhouse/client, clickhouse-connect.

const run = promisify(execFile)
const python = process.env.WEIR_TEST_PYTHON ?? null

let fake: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({ yaml: providersAt(fake.origin, ['openai']) })
  // Two calls of ada, one of grace: 1,000 in and 100 out of gpt-5-mini are 0.00025 + 0.0002 USD.
  for (const [user, feature] of [
    ['ada', 'search'],
    ['ada', 'mail'],
    ["o'grace", 'search'],
  ] as const)
    await send(`${house.proxy}/openai/v1/chat/completions`, {
      headers: {
        'content-type': 'application/json',
        'weir-user-id': user,
        'weir-property-feature': feature,
        'x-fake': 'input=1000;output=100',
      },
      body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'hello' }] }),
    })
  await house.caughtUp()
})
afterAll(async () => {
  await house?.stop()
  await fake?.close()
})

describe('curl', () => {
  const curl = async (...args: readonly string[]): Promise<string> =>
    (await run('curl', ['-sS', '--noproxy', '*', '-m', '30', ...args])).stdout

  test('the query as a body, in the URL, with parameters, in several formats', async () => {
    const byUser = 'SELECT user_id, count() AS calls, sum(cost_total) AS usd FROM requests GROUP BY user_id ORDER BY usd DESC'
    expect(await curl(house.sql, '-d', byUser)).toBe("ada\t2\t0.0009\no\\'grace\t1\t0.00045\n")
    expect(await curl('-G', house.sql, '--data-urlencode', `query=${byUser} FORMAT CSVWithNames`)).toBe(
      '"user_id","calls","usd"\n"ada",2,0.0009\n"o\'grace",1,0.00045\n',
    )
    const one = 'SELECT sum(cost_total) FROM requests WHERE user_id = {user:String}'
    expect(await curl(`${house.sql}/?param_user=o'grace`, '-d', one)).toBe('0.00045\n')
    const json = await curl(
      house.sql,
      '-d',
      `SELECT properties['feature'] AS feature, count() AS n FROM requests GROUP BY 1 ORDER BY 1 FORMAT JSON`,
    )
    expect((JSON.parse(json) as { data: unknown }).data).toMatchObject([{ feature: 'mail' }, { feature: 'search' }])
    expect(await curl(`${house.sql}/ping`)).toBe('Ok.\n')
  })

  test('a mistake is told, with ClickHouse’s code; a write is refused', async () => {
    const wrong = await curl('-i', house.sql, '-d', 'SELECT nothing FROM requests')
    expect(wrong).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(wrong).toMatch(/x-clickhouse-exception-code: 47/i)
    const written = await curl('-i', house.sql, '-d', 'TRUNCATE TABLE requests')
    expect(written).toMatch(/^HTTP\/1\.1 [45]\d\d /)
    expect(written).toMatch(/x-clickhouse-exception-code: 164/i)
    expect(await curl(house.sql, '-d', 'SELECT count() FROM requests')).toBe('3\n')
  })
})

test('@clickhouse/client: parameters, typed rows, a stream, an error', async () => {
  const client = createClient({ url: house.sql, request_timeout: 30_000, log: { level: ClickHouseLogLevel.OFF } })
  try {
    expect(await client.ping()).toMatchObject({ success: true })
    const spend = await client.query({
      query: `SELECT user_id, toString(sum(cost_total)) AS usd FROM requests
        WHERE user_id IN ({users:Array(String)}) AND ts >= {from:DateTime64(3)} GROUP BY user_id ORDER BY user_id`,
      query_params: { users: ['ada', "o'grace"], from: new Date(Date.now() - 3_600_000) },
      format: 'JSONEachRow',
    })
    expect(await spend.json()).toEqual([
      { user_id: 'ada', usd: '0.0009' },
      { user_id: "o'grace", usd: '0.00045' },
    ])
    const all = await client.query({ query: 'SELECT request_id, provider, input_tokens FROM requests', format: 'JSONEachRow' })
    const rows: unknown[] = []
    for await (const batch of all.stream<{ input_tokens: number }>()) for (const row of batch) rows.push(row.json())
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatchObject({ provider: 'openai', input_tokens: 1000 })
    await expect(client.query({ query: 'SELECT * FROM no_such_table' })).rejects.toMatchObject({ code: '60' })
    await expect(client.insert({ table: 'log_gaps', values: [{ tenant_id: 'x' }], format: 'JSONEachRow' })).rejects.toMatchObject(
      { code: '164' },
    )
  } finally {
    await client.close()
  }
})

test.skipIf(python === null)('clickhouse-connect (WEIR_TEST_PYTHON is set)', { timeout: 90_000 }, async () => {
  const script = fileURLToPath(new URL('./servers/clickhouse-connect.py', import.meta.url))
  const { stdout } = await run(python ?? '', [script, house.sql], {
    timeout: 80_000,
    env: { PATH: process.env.PATH ?? '', NO_PROXY: '127.0.0.1,localhost' },
  })
  expect(stdout).toMatch(/^ok \d/)
})
