import { expect, test } from 'vitest'
import { marksOf, placeOf, segmentsOf } from './timing.js'

const lengths = (marks: Record<string, number>) => segmentsOf(marks).map(({ key, fromUs, toUs }) => [key, fromUs, toUs])

test('the pieces of a stream lie end to end', () => {
  expect(
    lengths({
      admitted: 400,
      sent: 2_100,
      headers: 250_000,
      firstByte: 251_000,
      firstContent: 300_000,
      lastByte: 900_000,
      closed: 900_100,
    }),
  ).toEqual([
    ['admit', 0, 400],
    ['send', 400, 2_100],
    ['wait', 2_100, 250_000],
    ['byte', 250_000, 251_000],
    ['content', 251_000, 300_000],
    ['body', 300_000, 900_000],
    ['close', 900_000, 900_100],
  ])
})

test('a mark that was never reached leaves no hole', () => {
  expect(lengths({ admitted: 400, sent: 2_000, closed: 50_000 })).toEqual([
    ['admit', 0, 400],
    ['send', 400, 2_000],
    ['close', 2_000, 50_000],
  ])
  expect(lengths({})).toEqual([])
})

test('a mark out of order is left out rather than drawn backwards', () => {
  expect(lengths({ admitted: 400, sent: 300, closed: 500 })).toEqual([
    ['admit', 0, 400],
    ['close', 400, 500],
  ])
})

test('places on the bar', () => {
  expect(placeOf({ fromUs: 250, toUs: 750 }, 1_000)).toEqual({ left: 25, width: 50 })
  expect(placeOf({ fromUs: 1_000, toUs: 1_000 }, 1_000)).toEqual({ left: 99.6, width: 0.4 })
  expect(placeOf({ fromUs: 0, toUs: 0 }, 0)).toEqual({ left: 0, width: 0 })
})

test('what came before the attempt that counts is a piece of its own', () => {
  const marks = { admitted: 400, sent: 2_000, headers: 700_000, closed: 900_000 }
  expect(lengths(marksOf(marks, [{ startUs: 1_900 }, { startUs: 500_000 }]))).toEqual([
    ['admit', 0, 400],
    ['send', 400, 2_000],
    ['earlier', 2_000, 500_000],
    ['wait', 500_000, 700_000],
    ['close', 700_000, 900_000],
  ])
  expect(marksOf(marks, [{ startUs: 1_900 }])).toBe(marks)
})
