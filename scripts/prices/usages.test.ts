import { expect, test } from 'vitest'
import { usdOf } from '../../core/prices/money.js'
import type { Rates } from './their-prices.js'
import { quantitiesOf, theirPico, usageOf } from './usages.js'

const rates: Rates = {
  input: [
    { from: 0, usd: '0.00000125', per: 1 },
    { from: 200_001, usd: '0.0000025', per: 1 },
  ],
  cache_read: [{ from: 0, usd: '1.25e-7', per: 1 }],
  output: [{ from: 0, usd: '10', per: 1_000_000 }],
}

test.each([
  // 10,000 x 1.25 + 1,000 x 10, per million
  ['plain', '0.0225'],
  // 2,000 x 1.25 + 6,000 x 0.125 + 1,000 x 10
  ['cached', '0.01325'],
  // 300,000 x 2.50 + 1,000 x 10
  ['long', '0.76'],
] as const)('%s', (name, usd) => {
  const quantities = quantitiesOf(name, rates)
  expect(quantities).not.toBeNull()
  expect(usdOf(theirPico(quantities ?? {}, rates))).toBe(usd)
})

test('what has no price apart is not compared', () => {
  expect(quantitiesOf('audio', rates)).toBeNull()
  expect(quantitiesOf('cached', { input: rates.input ?? [] })).toBeNull()
  expect(quantitiesOf('plain', {})).toBeNull()
})

test('the same counts as a usage of ours: totals hold their parts', () => {
  expect(usageOf({ input: 2000, cache_read: 6000, cache_write: 2000, output: 1000 }, null)).toMatchObject({
    inputTokens: 10_000,
    cacheReadTokens: 6000,
    cacheWriteTokens: 2000,
    outputTokens: 1000,
    serviceTier: null,
  })
  expect(usageOf({ audio_second: 600 }, 'batch')).toMatchObject({ extra: { audio_seconds: 600 }, serviceTier: 'batch' })
})
