import { expect, test } from 'vitest'
import { tokensOf } from './tokens.js'

test('markdown becomes tokens, and markup in it stays text of a token', () => {
  expect([...(tokensOf('# A <b>title</b>') ?? [])]).toMatchObject([
    {
      type: 'heading',
      depth: 1,
      tokens: [{ type: 'text', raw: 'A ' }, { type: 'html', raw: '<b>' }, { type: 'text' }, { type: 'html', raw: '</b>' }],
    },
  ])
})

test.each([
  ['3,000 quotes', '>'.repeat(3000)],
  ['a very long text', 'a '.repeat(60_000)],
])('%s are shown as they are', (_, text) => {
  expect(tokensOf(text)).toBeNull()
})

test.each([
  ['brackets', '['.repeat(2000) + ']'.repeat(2000)],
  ['stars', '**a'.repeat(5000)],
  ['images', '!['.repeat(20_000)],
])('%s in masses are read without a fault', (_, text) => {
  expect(
    tokensOf(text)
      ?.map(({ raw }) => raw)
      .join(''),
  ).toBe(text)
})
