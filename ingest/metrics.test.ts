import { expect, test } from 'vitest'
import { openPriceBook } from '../core/prices/book.js'
import { enrich } from './enrich/enrich.js'
import { createMetrics, factsOf } from './metrics.js'
import { exchange, idOf } from './testing.js'

test('a hit of the cache costs nothing and saves what the original cost', async () => {
  const metrics = createMetrics()
  const book = openPriceBook()
  const here = { source: 'w', offset: 0 }
  const cache = { status: 'hit', originalId: idOf(7), bucket: 0, savedMs: 800 } as const
  const calls = [exchange({}), exchange({ outcome: 'cached', attempts: [], cache })].map((each) =>
    factsOf(enrich(each, here, { book })),
  )
  metrics.stored(calls, 2, 0.01)
  const text = await metrics.registry.metrics()
  // gpt-4o-mini: 1,000 x 0.15 + 100 x 0.60 a million, once paid and once saved.
  expect(text).toContain('weir_cost_usd_total{provider="openai",model="gpt-4o-mini-2024-07-18"} 0.00021\n')
  expect(text).toContain('weir_cache_saved_usd_total{provider="openai",model="gpt-4o-mini-2024-07-18"} 0.00021\n')
})
