import { expect, test } from 'vitest'
import { periodOf, rangeFrom, rangeParams, wider } from './range.js'

const params = (text: string) => new URLSearchParams(text)

test('no parameter is the last hour, and the last hour needs no parameter', () => {
  expect(rangeFrom(params(''))).toEqual({ preset: '1h' })
  expect(rangeParams({ preset: '1h' })).toEqual({ range: null, from: null, to: null })
})

test.each(['range=7d', 'from=2026-11-25T10%3A00%3A00.000Z&to=2026-11-25T11%3A00%3A00.000Z'])(
  '%s survives the way there and back',
  (text) => {
    const written = Object.entries(rangeParams(rangeFrom(params(text)))).filter(
      (pair): pair is [string, string] => pair[1] !== null,
    )
    expect(new URLSearchParams(written).toString()).toBe(text)
  },
)

test.each([
  'range=2y',
  'range=constructor',
  'from=yesterday&to=today',
  'from=2026-11-25T11:00:00Z&to=2026-11-25T10:00:00Z',
  'from=2026-11-25T11:00:00Z',
])('%s opens as the default', (text) => {
  expect(rangeFrom(params(text))).toEqual({ preset: '1h' })
})

test('a preset ends now, a custom range stays where it is', () => {
  expect(periodOf({ preset: '15m' }, 2_000_000)).toEqual({ from: 1_100_000, to: 2_000_000 })
  expect(periodOf({ from: 5, to: 9 }, 2_000_000)).toEqual({ from: 5, to: 9 })
})

test('looking further back', () => {
  expect(wider({ preset: '1h' })).toBe('6h')
  expect(wider({ from: 0, to: 25 * 3_600_000 })).toBe('7d')
  expect(wider({ preset: '30d' })).toBeNull()
})
