import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DbError } from '../../clickhouse/db.js'
import { engines, testFolder } from '../../clickhouse/testing.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { openPriceBook } from '../../core/prices/book.js'
import { pricesInForce } from './in-force.js'
import { keepBook } from './keep-book.js'

const overrides = parseConfigFile(
  {
    path: 'weir.yaml',
    text: `
prices:
  - { provider: openai, model: gpt-5, tier: priority, from: 2026-07-01, per: 1K, prices: { input: "0.002" } }
  - { provider: azure, model: "gpt-5*", until: 2027-01-01, discount: "0.15" }
`,
  },
  {},
).prices

const silent = (): void => undefined

describe.each(engines())('$name', ({ open }) => {
  test('a book is kept whole, once, with its layers apart', async () => {
    const db = await open(testFolder(onTestFinished))
    onTestFinished(() => db.close())
    const book = openPriceBook(overrides)
    expect(await keepBook(db, book)).toBe([...book.entries()].length)
    expect(await keepBook(db, book)).toBe(0)

    const mine = await db.rows(
      'mine',
      `SELECT provider, model, tier, unit, toString(usd) AS usd, toUInt32(per) AS per, toString(valid_from) AS since, toString(valid_until) AS until
       FROM model_prices FINAL WHERE price_id = {id:String} AND origin = 'override' ORDER BY provider`,
      { id: book.id },
    )
    expect(mine).toEqual([
      {
        provider: 'azure',
        model: 'gpt-5*',
        tier: '',
        unit: 'discount',
        usd: '0.15',
        per: 1,
        since: '1970-01-01 00:00:00',
        until: '2027-01-01 00:00:00',
      },
      {
        provider: 'openai',
        model: 'gpt-5',
        tier: 'priority',
        unit: 'input',
        usd: '0.002',
        per: 1000,
        since: '2026-07-01 00:00:00',
        until: '2106-02-07 06:28:15',
      },
    ])
    const kept = await db.rows<{ n: string }>('n', 'SELECT toString(count()) AS n FROM model_prices FINAL', {})
    // Peak and other hours, sizes of pictures, base and overlay: none takes the place of another.
    const keys = new Set(
      [...book.entries()].map((entry) =>
        JSON.stringify({ ...entry, usd: '', per: 0, from: String(entry.from), until: String(entry.until) }),
      ),
    )
    expect(Number(kept[0]?.n)).toBe(keys.size)
    for (const origin of ['base', 'overlay'])
      expect(
        await db.rows('some', `SELECT count() > 1000 AS many FROM model_prices WHERE origin = {o:String} AND usd > 0`, {
          o: origin,
        }),
      ).toEqual([{ many: 1 }])
  })
})

test('every book that was in force is kept, however long the store is away', async () => {
  const kept: string[] = []
  let away = true
  const faults: string[] = []
  const prices = pricesInForce({
    overrides: [],
    db: {
      rows: () => (away ? Promise.reject(new DbError(0, 'away')) : Promise.resolve([])),
      insert: (_table, _lines, token) => {
        kept.push(token)
        return Promise.resolve()
      },
    },
    random: () => 0,
    onFault: (message) => faults.push(message),
  })
  const first = prices.book.id
  prices.use(overrides)
  const second = prices.book.id
  prices.use(overrides)
  expect(second).not.toBe(first)
  await vi.waitFor(() => expect(faults).toHaveLength(1))
  away = false
  await vi.waitFor(() => expect(kept).toEqual([`prices:${first}`, `prices:${second}`]))
  await prices.stop()
})

test('stopping does not wait for a store that is away', async () => {
  const prices = pricesInForce({
    overrides,
    db: { rows: () => Promise.reject(new DbError(0, 'away')), insert: () => Promise.resolve() },
    random: () => 1,
    onFault: silent,
  })
  await prices.stop()
  expect(prices.book.id).toBe(openPriceBook(overrides).id)
})
