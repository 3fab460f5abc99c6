import { expect, test } from 'vitest'
import { Arrivals } from './arrivals.js'
import type { PlacedMessage } from './port.js'

const at = (offset: number): PlacedMessage => ({ offset, value: Buffer.from(String(offset)), headers: {}, timestampMs: 0 })
const from = (first: number, ...offsets: readonly number[]) => ({
  from: first,
  next: (offsets.at(-1) ?? first - 1) + 1,
  messages: offsets.map(at),
})
const offsets = (arrivals: Arrivals, first = 0): number[] => arrivals.read(0, first, 100, 1e9).map(({ offset }) => offset)

test('what comes twice is kept once, what comes over unused offsets is taken', () => {
  const arrivals = new Arrivals()
  expect(arrivals.add(0, from(3, 3, 4, 7))).toBe(true)
  expect(arrivals.add(0, from(5, 7, 8))).toBe(true)
  expect(offsets(arrivals)).toEqual([3, 4, 7, 8])
  expect(arrivals.next(0)).toBe(9)
  expect(arrivals.next(1)).toBeNull()
})

test('what would leave a hole is not taken, until nothing can be in it any more', () => {
  const arrivals = new Arrivals()
  arrivals.add(0, from(0, 0, 1))
  expect(arrivals.add(0, from(5, 5))).toBe(false)
  expect(offsets(arrivals)).toEqual([0, 1])
  arrivals.skipTo(0, 5)
  expect(arrivals.add(0, from(5, 5))).toBe(true)
  expect(offsets(arrivals)).toEqual([0, 1, 5])
})

test('after a restart only what joins it is taken', () => {
  const arrivals = new Arrivals()
  arrivals.add(0, from(8, 8, 9))
  expect(arrivals.isBehind(0, 4)).toBe(true)
  arrivals.restart(0, 4)
  expect(arrivals.add(0, from(10, 10))).toBe(false)
  expect(arrivals.add(0, from(4, 4, 5))).toBe(true)
  expect(offsets(arrivals)).toEqual([4, 5])
})

test('what is passed is forgotten, and its memory given back', () => {
  const arrivals = new Arrivals()
  arrivals.add(0, from(0, 0, 1, 2))
  arrivals.add(1, from(0, 0))
  arrivals.passed(0, 2)
  expect(offsets(arrivals)).toEqual([2])
  arrivals.passed(0, 9)
  arrivals.passed(1, 1)
  expect(arrivals.bytes).toBe(0)
  expect(arrivals.add(0, from(10, 10))).toBe(false)
})

test('a message over the byte limit comes alone', () => {
  const arrivals = new Arrivals()
  arrivals.add(0, from(0, 0, 1, 2))
  expect(arrivals.read(0, 1, 10, 0).map(({ offset }) => offset)).toEqual([1])
  expect(arrivals.read(0, 0, 2, 1e9).map(({ offset }) => offset)).toEqual([0, 1])
})
