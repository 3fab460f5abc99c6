import { expect, test } from 'vitest'
import { percentEncoded } from './percent-encoded.js'

test('text is ASCII, and what may stand stands', () => {
  expect(percentEncoded('müller/gpt 5:x@y')).toBe('m%C3%BCller%2Fgpt%205%3Ax%40y')
  expect(percentEncoded('müller/gpt 5:x@y', '/:@')).toBe('m%C3%BCller/gpt%205:x@y')
  expect(percentEncoded('\r\n\u0000', '/:@')).toBe('%0D%0A%00')
})

test('half a pair of surrogates is no error, a whole pair is one sign', () => {
  expect(percentEncoded('\ud800 a \udc00')).toBe('%EF%BF%BD%20a%20%EF%BF%BD')
  expect(percentEncoded('\ud83d\ude00')).toBe('%F0%9F%98%80')
})
