import { expect, test } from 'vitest'
import { expectedPico, usdText } from './prices.js'

test.each([
  // 1,000 x 0.25 + 100 x 2 = 450 millionths
  ['gpt-5-mini', { input: 1000, output: 100 }, '0.00045'],
  // 400 x 0.25 + 600 x 0.025 + 100 x 2 = 315 millionths
  ['gpt-5-mini', { input: 1000, output: 100, cached: 600 }, '0.000315'],
  // 200 x 3 + 800 x 3.75 + 10 x 15 = 3,750 millionths
  ['claude-sonnet-4-6', { input: 1000, output: 10, written: 800 }, '0.00375'],
  // 200 x 3 + 800 x 0.3 + 10 x 15 = 990 millionths
  ['claude-sonnet-4-6', { input: 1000, output: 10, cached: 800 }, '0.00099'],
  // 7 x 0.02 = 0.14 millionths
  ['text-embedding-3-small', { input: 7, output: 0 }, '0.00000014'],
])('%s %o costs %s USD', (model, quantities, usd) => {
  expect(usdText(expectedPico(model, quantities))).toBe(usd)
})

test('amounts are told without trailing zeros, and never as a float', () => {
  expect([0n, 1n, 10n ** 12n, 12_500_000_000_000n].map(usdText)).toEqual(['0', '0.000000000001', '1', '12.5'])
})
