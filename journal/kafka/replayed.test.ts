import { expect, test } from 'vitest'
import { replayedOf } from './replayed.js'

test('what was done at once is an offset, what was picked out is kept beside it', () => {
  const replayed = replayedOf(undefined)
  for (const offset of [0, 1, 4, 5, 6, 40]) replayed.add(offset)
  const position = replayed.position(0)
  expect(position).toEqual({ offset: 2, metadata: '2+2,x' })
  const again = replayedOf(position)
  expect([0, 1, 2, 3, 4, 6, 7, 39, 40, 41].filter((offset) => again.has(offset))).toEqual([0, 1, 4, 6, 40])
  expect(again.countLeft(0, 50)).toBe(44)
  for (const offset of [2, 3]) again.add(offset)
  expect(again.position(0)).toEqual({ offset: 7, metadata: 'x' })
})

test('what the topic has removed is done', () => {
  const replayed = replayedOf({ offset: 3, metadata: '1' })
  expect(replayed.has(4)).toBe(true)
  expect(replayed.countLeft(10, 12)).toBe(2)
  expect(replayed.position(10)).toEqual({ offset: 10, metadata: '' })
})

test('a note that is not ours says nothing; more than fits is left out', () => {
  expect(replayedOf({ offset: 3, metadata: '{"last":9}' }).countLeft(0, 6)).toBe(3)
  const replayed = replayedOf(undefined)
  for (let offset = 1; offset < 10_000; offset += 2) replayed.add(offset)
  const { metadata } = replayed.position(0)
  expect(metadata.length).toBeLessThanOrEqual(4000)
  expect(replayedOf({ offset: 0, metadata }).has(1001)).toBe(true)
})
