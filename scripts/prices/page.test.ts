import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { differences, explains, faultsOf, type Difference } from './differences.js'
import { pricesPage } from './page.js'

test('docs/prices.md is what `npm run prices:diff -- --write-docs` makes now', () => {
  expect(readFileSync(new URL('../../docs/prices.md', import.meta.url), 'utf8')).toBe(pricesPage())
})

test('every reviewed difference names its models, its uses and one cause', () => {
  expect(faultsOf(differences())).toEqual([])
})

const one: Difference = {
  package: 'LiteLLM',
  provider: 'azure',
  models: ['gpt-4.1*'],
  usages: ['plain'],
  right: 'ours',
  reason: 'Theirs is the price of last year.',
  checked: '2026-11-25',
}
const found = { ...one, key: 'azure/gpt-4.1-mini', model: 'gpt-4.1-mini', usage: 'plain', ours: '1', theirs: '2' } as const

test('a reason is for its package, provider, models and uses alone', () => {
  expect(explains(one, found)).toBe(true)
  expect(explains(one, { ...found, package: 'genai-prices' })).toBe(false)
  expect(explains(one, { ...found, provider: 'openai' })).toBe(false)
  expect(explains(one, { ...found, usage: 'batch' })).toBe(false)
  // The dot of a pattern is a dot.
  expect(explains(one, { ...found, model: 'gpt-4x1' })).toBe(false)
})

test('a reason that would hide everything is refused', () => {
  expect(faultsOf([{ ...one, models: ['*'] }])).toHaveLength(1)
  expect(faultsOf([{ ...one, reason: 'differs' }])).toHaveLength(1)
})
