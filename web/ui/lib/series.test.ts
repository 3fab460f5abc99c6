import { expect, test } from 'vitest'
import { bucketAt, colourSlots, folded, isFlat, stacked } from './series.js'

const line = (key: string, values: (string | number | null)[], rest = false) => ({ key, rest, total: null, values })

test('small groups are added up exactly, money as decimals', () => {
  const lines = [
    { key: 'a', rest: false, total: '3', values: ['1', '2'] },
    { key: 'b', rest: false, total: '0.3', values: ['0.1', '0.2'] },
    { key: 'c', rest: false, total: '0.000000000003', values: ['0.000000000001', '0.000000000002'] },
    { key: '', rest: true, total: '0.1', values: ['0.1', '0'] },
  ]
  expect(folded(lines, 2)).toEqual([
    lines[0],
    lines[1],
    { key: '', rest: true, total: '0.100000000003', values: ['0.100000000001', '0.000000000002'] },
  ])
  expect(folded(lines.slice(0, 2), 2)).toEqual(lines.slice(0, 2))
})

test('a group without a name is not taken for the rest', () => {
  expect(folded([line('', [1]), line('a', [1]), line('b', [2])], 2)).toEqual([line('', [1]), line('a', [1]), line('', [2], true)])
})

test('stacks stand on each other, and unknown stands on nothing', () => {
  expect(stacked([line('a', [1, 2, null]), line('b', ['0.5', 0, 4])])).toEqual([
    [1, 2, 0],
    [1.5, 2, 4],
  ])
})

test('a colour stays with its key when the order changes or a key goes', () => {
  const first = colourSlots(['a', 'b', 'c'], new Map())
  expect([...first]).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 2],
  ])
  const second = colourSlots(['c', 'd', 'a'], first)
  expect(second.get('a')).toBe(0)
  expect(second.get('c')).toBe(2)
  expect(second.get('d')).toBe(1)
})

test('more keys than colours share the last one', () => {
  const all = colourSlots(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'], new Map())
  expect(all.get('h')).toBe(7)
  expect(all.get('j')).toBe(7)
})

test('a bucket ends where the next begins', () => {
  const series = { times: ['2026-11-25T10:00:00.000Z', '2026-11-25T10:01:00.000Z'], stepSeconds: 60 }
  expect(bucketAt(series, 1)).toEqual({ from: Date.parse('2026-11-25T10:01:00Z'), to: Date.parse('2026-11-25T10:02:00Z') })
  expect(bucketAt(series, 2)).toBeNull()
})

test('nothing to draw', () => {
  expect(isFlat([])).toBe(true)
  expect(isFlat([line('a', ['0', '0.000']), line('b', [null])])).toBe(true)
  expect(isFlat([line('a', ['0', '0.000000000001'])])).toBe(false)
})
