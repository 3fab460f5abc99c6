import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { units } from '../core/prices/cost.js'

// docs/accounting.md names every word a row may use. The words stand in the code as literals of a few calls.

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/accounting.md'), 'utf8')

const sourcesIn = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(
      (file) =>
        file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('conversation.ts') && !file.endsWith('said.ts'),
    )
    .map((file) => readFileSync(join(root, folder, file), 'utf8'))

const wordsIn = (folders: readonly string[], ...calls: readonly RegExp[]): readonly string[] => {
  const found = folders
    .flatMap(sourcesIn)
    .flatMap((text) => calls.flatMap((call) => [...text.matchAll(call)].map(([, word]) => word ?? '')))
  return [...new Set(found)].sort()
}

const untold = (words: readonly string[]): readonly string[] => words.filter((word) => !page.includes(`\`${word}\``))

test('notes', () => {
  const words = wordsIn(
    ['core/providers', 'proxy/relay', 'ingest'],
    /\bnote\('([a-z_]+)'\)/g,
    /\bnotes\.add\('([a-z_]+)'\)/g,
    /'(clamped_[a-z_]+)'/g,
    /notes: [^\n]*\['([a-z_]+)'\]/g,
    /\.notes, '([a-z_]+)'\]/g,
  )
  expect(words.length).toBeGreaterThan(20)
  expect(untold(words)).toEqual([])
})

test('reasons of usage and cost', () => {
  const words = wordsIn(
    ['core/prices', 'core/providers', 'ingest/enrich'],
    /\bnote\([a-z.]+, '([a-z_]+)'\)/gi,
    /(?:partial|estimated)\.push\('([a-z_]+)'\)/g,
    /'(?:not_billable|unpriced)', '([a-z_]+)'/g,
    /reason: '([a-z_]+)'/g,
    /noUsage\('([a-z_]+)'/g,
  ).filter((word) => !word.startsWith('no_price_'))
  expect(words.length).toBeGreaterThan(12)
  expect(untold(words)).toEqual([])
})

test('units and things counted beside tokens', () => {
  const words = wordsIn(['core/providers'], /counted\(extra, '([a-z_]+)'/g)
  expect(words.length).toBeGreaterThan(10)
  expect(untold([...units, ...words])).toEqual([])
})
