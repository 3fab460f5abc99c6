import { expect, test } from 'vitest'
import { callBudget, countable, type Budget } from './countable.js'
import { encodingOf } from './encoding-of.js'
import { loadEncoding } from './encodings.js'

/** What merging all pieces may cost: the square of the bytes of each run. Runs are at most 2,000 characters. */
const spent = (text: string, budget: Budget = callBudget()): number => {
  const { steps } = budget
  countable(text, budget)
  return steps - budget.steps
}
const lengths = (text: string): number[] => countable(text, callBudget()).pieces.map((piece) => piece.length)

test('text with boundaries is one piece, whatever its length', () => {
  const text = 'The quick brown fox, 1,234 times. '.repeat(10_000)
  expect(countable(text, callBudget())).toEqual({ pieces: [text], chars: text.length })
})

test('a run without a boundary is cut every 2,000 characters', () => {
  expect(lengths('a'.repeat(5000))).toEqual([2000, 2000, 1000])
  expect(lengths(`${'a'.repeat(1999)} ${'b'.repeat(1999)}`)).toEqual([3999])
  expect(lengths('7'.repeat(2001))).toEqual([2000, 1])
  expect(lengths(' '.repeat(4001))).toEqual([2000, 2000, 1])
  expect(lengths('!'.repeat(2001))).toEqual([2000, 1])
  expect(lengths('漢'.repeat(4001))).toEqual([2000, 2000, 1])
  // Marks belong to the letters and to the signs beside them: they end no run.
  expect(lengths('á'.normalize('NFD').repeat(2000))).toEqual([2000, 2000])
  expect(lengths('!\u0301'.repeat(2000))).toEqual([2000, 2000])
})

test('never inside a surrogate pair', () => {
  // The 2,000th character of `x` and 1,500 emoji is the first half of one: the pair stays with what is before it.
  expect(lengths(`!${'😀'.repeat(1500)}`)).toEqual([2001, 1000])
  for (const piece of countable(`!${'😀'.repeat(5000)}`, callBudget()).pieces) expect(Buffer.from(piece).toString()).toBe(piece)
  // Halves without their others are no pairs.
  expect(lengths('\uDE00'.repeat(2001))).toEqual([2000, 1])
})

test('the budget ends the counting, at a character', () => {
  expect(countable('a b c d', { chars: 3, steps: 1e9 })).toEqual({ pieces: ['a b'], chars: 3 })
  expect(countable('😀😀', { chars: 3, steps: 1e9 })).toEqual({ pieces: ['😀'], chars: 2 })
  // Ten runs of 100 bytes are 10 x 10,000 steps: the third is the first that does not fit into 25,000.
  const runs = `${'a'.repeat(100)}1`.repeat(10)
  const { chars } = countable(runs, { chars: 1e6, steps: 25_000 })
  expect(chars).toBeGreaterThan(200)
  expect(chars).toBeLessThan(400)
})

test.each([
  ['40,000 a', 'a'.repeat(40_000), 40_000],
  ['100,000 spaces', ' '.repeat(100_000), 100_000],
  ['digits', '7'.repeat(40_000), 40_000],
  ['1 MB of emoji', '😀'.repeat(262_144), null],
  ['1 MiB of signs', '!'.repeat(1024 * 1024), null],
  ['1 MiB of CJK without a stop', '漢'.repeat(1024 * 1024), null],
  ['1 MiB of letters and marks', 'á'.normalize('NFD').repeat(512 * 1024), null],
])('hostile: %s stays within the budget, and what is counted is known', (_, text, counted) => {
  const budget = callBudget()
  const { pieces, chars } = countable(text, budget)
  // One run beyond it at most: 2,000 characters of three bytes.
  expect(spent(text)).toBeLessThanOrEqual(callBudget().steps + 6000 ** 2)
  expect(pieces.join('')).toBe(text.slice(0, chars))
  expect(chars).toBeGreaterThanOrEqual(10_000)
  if (counted !== null) expect(chars).toBe(counted)
})

test('prose, base64 and CJK with stops cost next to nothing', () => {
  const base64 = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919 + (i >> 3)) & 255)).toString('base64')
  for (const text of ['Some words, as people write them. '.repeat(30_000), base64, '堰は川を横切る低い壁です。'.repeat(20_000)])
    expect(spent(text)).toBeLessThan(text.length * 200)
})

test.each([
  ['gpt-4o-mini', 'o200k_base'],
  ['gpt-4.1', 'o200k_base'],
  ['gpt-5', 'o200k_base'],
  ['chatgpt-4o-latest', 'o200k_base'],
  ['o3', 'o200k_base'],
  ['mistral-large-latest', 'o200k_base'],
  ['', 'o200k_base'],
  ['gpt-4', 'cl100k_base'],
  ['gpt-4-0613', 'cl100k_base'],
  ['gpt-4-turbo', 'cl100k_base'],
  ['gpt-3.5-turbo-0125', 'cl100k_base'],
  ['gpt-35-turbo', 'cl100k_base'],
  ['openai/gpt-4', 'cl100k_base'],
  ['ft:gpt-3.5-turbo:acme::x', 'cl100k_base'],
  ['text-embedding-ada-002', 'cl100k_base'],
  ['text-embedding-3-small', 'cl100k_base'],
  ['claude-sonnet-4-5', 'claude'],
  ['us.anthropic.claude-haiku-4-5-v1:0', 'claude'],
])('%s is counted by %s', (model, encoding) => {
  expect(encodingOf(model)).toBe(encoding)
})

test('the vocabularies count as their makers say, and special tokens are text', async () => {
  const o200k = await loadEncoding('o200k_base')
  const cl100k = await loadEncoding('cl100k_base')
  const claude = await loadEncoding('claude')
  // From OpenAI's tokenizer page: "hello world" 2, "antidisestablishmentarianism" 6 in cl100k.
  expect([o200k('hello world'), cl100k('hello world'), cl100k('antidisestablishmentarianism')]).toEqual([2, 2, 6])
  // `<`, `|`, `endo` ...: one special token would be 1.
  expect(o200k('<|endoftext|>')).toBeGreaterThan(1)
  expect(cl100k('a<|endoftext|>b<|fim_prefix|>')).toBeGreaterThan(4)
  expect(claude('<EOT><META_START>')).toBeGreaterThan(2)
  // 2 tokens, and the tenth more that the library measured.
  expect(claude('hello world')).toBeCloseTo(2.2, 10)
  expect([o200k(''), o200k('\uD83D'), claude('constructor __proto__')].every((tokens) => Number.isFinite(tokens))).toBe(true)
})
