import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { openPriceBook } from '../../core/prices/book.js'
import { priceOverride } from '../../core/prices/override.js'

test('the overrides of docs/prices.md are taken and do what the page says', () => {
  const page = readFileSync(new URL('./guide.md', import.meta.url), 'utf8')
  const { prices } = parse(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '') as { prices: readonly unknown[] }
  const book = openPriceBook(prices.map((entry) => priceOverride.parse(entry)))
  const at = new Date('2026-08-19T00:00:00Z')
  const priced = (provider: string, model: string, tier: string | null = null) =>
    book.priced({ provider, model, tier, region: null }, at, 1000)

  expect(priced('my-vllm', 'llama-4')?.free).toBe(true)
  // 15 % off the list price.
  expect(priced('azure', 'gpt-5-mini')?.own('output')).toMatchObject({ rate: { usdText: '2' }, multiplier: '0.85' })
  expect(priced('openai', 'gpt-5', 'priority')?.own('output')).toMatchObject({ rate: { usdText: '16', origin: 'override' } })
  expect(priced('openai', 'gpt-5')?.own('output')).toMatchObject({ rate: { usdText: '10', origin: 'base' } })
})
