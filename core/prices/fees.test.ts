import { expect, test } from 'vitest'
import { noUsage } from '../usage.js'
import { openPriceBook } from './book.js'
import type { Cost } from './cost.js'
import { price } from './price.js'

const book = openPriceBook()

const costOf = (provider: string, model: string, extra: Record<string, number>): Cost =>
  price(
    { ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, inputTokens: 1000, outputTokens: 100, extra },
    {
      provider,
      api: 'generate_content',
      endpoint: `POST /v1beta/models/${model}:generateContent`,
      outcome: 'complete',
      status: 200,
      requestModel: model,
      responseModel: model,
      serverAddress: null,
      asked: {},
      attempt: 1,
    },
    new Date('2026-08-19T00:00:00Z'),
    book,
  )

const searches = ({ lines }: Cost): readonly unknown[] =>
  lines.filter(({ unit }) => unit === 'web_search').map(({ quantity, amountUsd }) => [quantity, amountUsd])

test("Gemini's searches: one fee a prompt up to 2.5, one a query from 3 on; a daily share of both is free, and not seen here", () => {
  // 35 and 14 USD a thousand
  for (const provider of ['gemini', 'vertex']) {
    const old = costOf(provider, 'gemini-2.5-flash', { web_search_requests: 3 })
    expect([searches(old), old.status, old.reason]).toEqual([[[1, '0.035']], 'estimated', 'free_daily_share'])
    expect(searches(costOf(provider, 'gemini-3-flash-preview', { web_search_requests: 3 }))).toEqual([[3, '0.042']])
  }
})

test("Google's maps have a fee that no list of ours has: the cost is a lower bound", () => {
  expect(costOf('gemini', 'gemini-2.5-flash', { google_maps_requests: 1 })).toMatchObject({
    status: 'partial',
    reason: 'no_price_google_maps',
  })
})
