import fc from 'fast-check'
import { expect, test } from 'vitest'
import { closedJson } from './cut-json.js'

test.each([
  ['{"a":"b', '{"a":"b"}'],
  ['{"a":"b"', '{"a":"b"}'],
  ['{"a":"b",', '{"a":"b"}'],
  ['{"a":"b","c', '{"a":"b"}'],
  ['{"a":"b","c"', '{"a":"b"}'],
  ['{"a":"b","c":', '{"a":"b"}'],
  // The 1 may be the beginning of 12, and tru of whatever.
  ['{"a":"b","c":1', '{"a":"b"}'],
  ['{"a":"b","c":1,', '{"a":"b","c":1}'],
  ['{"a":"b","c":tru', '{"a":"b"}'],
  ['{"a":[1,2', '{"a":[1]}'],
  ['{"a":[{"b":"x"},{"c":"y', '{"a":[{"b":"x"},{"c":"y"}]}'],
  ['{"a":{"b":[', '{"a":{"b":[]}}'],
  ['{', '{}'],
  ['{"a":"b\\', '{"a":"b"}'],
  ['{"a":"b\\\\', '{"a":"b\\\\"}'],
  ['{"a":"b\\u26', '{"a":"b"}'],
  ['{"a":"b\\u2603', '{"a":"b\\u2603"}'],
  ['{"a":"}]', '{"a":"}]"}'],
])('%s', (cut, closed) => {
  expect(closedJson(cut)).toBe(closed)
  expect(() => JSON.parse(closed) as unknown).not.toThrow()
})

test.each(['{"a":1}', '[]', '"a', '', '12', '{"a":1}}', '{"a":1]', '{"a":1}\n{"b":2', 'data: {"a"'])(
  'not cut, or no JSON: %s',
  (text) => {
    expect(closedJson(text)).toBeNull()
  },
)

test('wherever an object is cut, what is left of it is JSON and says nothing else', () => {
  const isPartOf = (part: unknown, of: unknown): boolean => {
    if (typeof part === 'string') return typeof of === 'string' && of.startsWith(part)
    if (Array.isArray(part))
      return Array.isArray(of) && part.length <= of.length && part.every((each, i) => isPartOf(each, of[i]))
    if (typeof part !== 'object' || part === null) return Object.is(part, of)
    return Object.entries(part).every(([key, value]) => isPartOf(value, (of as Record<string, unknown>)[key]))
  }
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.nat(), (value, seed) => {
      const text = JSON.stringify(value)
      const closed = closedJson(text.slice(0, 1 + (seed % (text.length - 1))))
      expect(closed).not.toBeNull()
      expect(isPartOf(JSON.parse(closed ?? ''), JSON.parse(text))).toBe(true)
    }),
    { numRuns: 2000 },
  )
})
