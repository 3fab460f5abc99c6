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

test('1,000 hostile names of models, providers and targets: few series, and none breaks the text', async () => {
  const metrics = createMetrics()
  const book = openPriceBook()
  const [base] = [exchange({})].map((each) => factsOf(enrich(each, { source: 'w', offset: 0 }, { book })))
  if (base === undefined) throw new Error('no facts')
  const calls = Array.from({ length: 1000 }, (_, n) => {
    const name = `${n}"}\n\\ weir_forged_total 1\r\u2028{${'x'.repeat(n)}`
    return {
      ...base,
      provider: name,
      requestModel: name,
      responseModel: name,
      model: name,
      streaming: true,
      firstChunkMs: 1,
      attempts: [[name, '']] as const,
    }
  })
  metrics.stored(calls, 1000, 0.01)
  const lines = (await metrics.registry.metrics()).split('\n')
  expect(lines.filter((line) => line.startsWith('weir_forged'))).toEqual([])
  const of = (name: string): number => lines.filter((line) => line.startsWith(`${name}{`)).length
  expect(of('weir_stored_requests_total')).toBeLessThanOrEqual(451)
  expect(of('weir_attempts_total')).toBeLessThanOrEqual(201)
  // At most 300 sets, and the providers of the rest.
  expect(of('gen_ai_client_operation_duration_seconds_count')).toBeLessThanOrEqual(351)
  expect(of('weir_stored_requests_total')).toBeGreaterThan(40)
  expect(lines.length).toBeLessThan(30_000)
})
