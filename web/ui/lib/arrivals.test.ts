import { expect, test } from 'vitest'
import type { RequestSummary } from '../../api/contract.js'
import { arrived, released, type Arrivals } from './arrivals.js'

const row = (id: string, second: number) =>
  ({ id, at: `2026-11-25T10:00:${String(second).padStart(2, '0')}.000Z` }) as RequestSummary
const ids = ({ shown, held }: Arrivals) => [shown.map(({ id }) => id).join(''), held.map(({ id }) => id).join('')]
const table: Arrivals = { shown: [row('c', 3), row('a', 1)], held: [] }

test('rows on show stand by their time, each once', () => {
  expect(ids(arrived(table, [row('d', 4), row('c', 3), row('b', 2)], 'show'))).toEqual(['dcba', ''])
})

test('rows held back leave the table as it is, until they are let in', () => {
  const once = arrived(table, [row('d', 4)], 'hold')
  const twice = arrived(once, [row('e', 5), row('d', 4)], 'hold')
  expect(twice.shown).toBe(table.shown)
  expect(ids(twice)).toEqual(['ca', 'ed'])
  expect(ids(released(twice))).toEqual(['edca', ''])
  expect(ids(arrived(twice, [], 'show'))).toEqual(['edca', ''])
})

test('nothing new changes nothing', () => {
  expect(arrived(table, [row('a', 1)], 'show').shown).toBe(table.shown)
})
