import { expect, test } from 'vitest'
import { boundedNames, boundedPairs } from './bounded-names.js'

test('the first names keep theirs, later and endless ones share one', () => {
  const name = boundedNames(2)
  expect(['a', 'b', 'c', 'a', 'x'.repeat(129)].map(name)).toEqual(['a', 'b', '_other', 'a', '_other'])
  expect(boundedNames(2)('x'.repeat(129))).toBe('_other')
})

test('1,000 providers with 1,000 models are 450 pairs at most', () => {
  const pairOf = boundedPairs()
  const pairs = new Set<string>()
  for (let n = 0; n < 1000; n++)
    for (const model of [`m${n}`, `n${n % 7}`, 'gpt-5']) pairs.add(JSON.stringify(pairOf(`p${n % 60}`, model)))
  expect(pairs.size).toBeLessThanOrEqual(451)
  expect(pairOf('p0', 'm0')).toEqual({ provider: 'p0', model: 'm0' })
})
