import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'

// The SDKs' own results are checked in sdks.py, which also says what each row has to be; here the rows are looked at.

const python = process.env.WEIR_TEST_PYTHON ?? null
const script = fileURLToPath(new URL('./sdks.py', import.meta.url))

interface Case {
  readonly user: string
  readonly row: Partial<Row>
}

describe.skipIf(python === null)('SDKs of Python (WEIR_TEST_PYTHON is set)', () => {
  let fake: FakeProvider
  let house: RunningHouse
  let cases: readonly Case[] = []
  let rows: readonly Row[] = []
  beforeAll(async () => {
    fake = await startFakeProvider()
    house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']) })
    const { stdout } = await promisify(execFile)(python ?? '', [script, house.proxy], {
      timeout: 100_000,
      env: { PATH: process.env.PATH ?? '', PYTHONUNBUFFERED: '1', NO_PROXY: '127.0.0.1,localhost' },
    })
    cases = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Case)
    await house.caughtUp()
    rows = await house.rows('1')
  })
  afterAll(async () => {
    await house?.stop()
    await fake?.close()
  })

  test('every case ran, and left one row', () => {
    expect(cases.length).toBeGreaterThanOrEqual(24)
    expect(rows.map(({ userId }) => userId).sort()).toEqual(cases.map(({ user }) => user).sort())
  })

  test('each row says what the case worked out', () => {
    for (const { user, row } of cases) {
      const found = rows.find(({ userId }) => userId === user)
      const asked = Object.fromEntries(Object.keys(row).map((name) => [name, found?.[name as keyof Row]]))
      expect.soft({ user, ...asked }).toEqual({ user, ...row })
    }
  })
})
