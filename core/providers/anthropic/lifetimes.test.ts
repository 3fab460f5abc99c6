import { expect, test } from 'vitest'
import { anthropicUsage } from './usage.js'

const part = (cache_creation?: object): object => ({
  type: 'message',
  model: 'claude-sonnet-4-6',
  input_tokens: 1,
  output_tokens: 1,
  cache_creation_input_tokens: 5,
  cache_read_input_tokens: 0,
  ...(cache_creation === undefined ? {} : { cache_creation }),
})
const read = (...iterations: readonly object[]) =>
  anthropicUsage([{ source: 'usage', json: JSON.stringify({ input_tokens: 1, output_tokens: 1, iterations }) }])

test('lifetimes are summed where every part that wrote tells them', () => {
  const told = { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 3 }
  expect(read(part(told), part(told))).toMatchObject({ cacheWriteTokens: 10, cacheWrite5mTokens: 4, cacheWrite1hTokens: 6 })
  const half = read(part(told), part())
  expect(half).toMatchObject({ cacheWriteTokens: 10, cacheWrite5mTokens: null, cacheWrite1hTokens: null })
  expect(half.parts.map(({ cacheWrite1hTokens }) => cacheWrite1hTokens)).toEqual([3, null])
})
