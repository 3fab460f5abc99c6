import { expect, test } from 'vitest'
import { bench as fallback } from './fallback.js'
import { bench as journal } from './journal.js'
import { bench as overhead } from './overhead.js'
import { bench as pricing } from './pricing.js'
import { figure, reportText } from './support/report.js'

const quiet = (): void => undefined

test('journal: every setting gives figures', async () => {
  const { tables } = await journal.run({ seconds: '0.05', rounds: '1' }, quiet)
  expect(tables[0]?.rows.map(([durability, writers]) => `${durability} ${writers}`)).toEqual([
    'off 1',
    'off 32',
    'standard 1',
    'standard 32',
    'strict 1',
    'strict 32',
  ])
  for (const row of tables[0]?.rows ?? []) expect(row.slice(2).every((cell) => Number(cell) > 0)).toBe(true)
})

test('pricing: every kind of call has its right price, and figures', async () => {
  const { tables, targets } = await pricing.run({ calls: '1000', rounds: '1' }, quiet)
  expect(tables[0]?.rows).toHaveLength(11)
  expect(targets).toHaveLength(1)
})

test('overhead: the whole house, each lane, and a verdict', async () => {
  const report = await overhead.run({ only: 'json', concurrency: '32', seconds: '0.3', rounds: '1' }, quiet)
  expect(report.tables[0]?.rows.map(([side]) => side)).toEqual(['direct', 'bare lane', 'weir'])
  expect(report.targets).toHaveLength(1)
  expect(reportText(report)).toContain('<= 2.50 x')
}, 120_000)

test('fallback: each call that has two attempts answers as the second target does, and a verdict for each form', async () => {
  const report = await fallback.run({ seconds: '0.2', rounds: '1' }, quiet)
  expect(report.tables[0]?.rows.map(([form]) => form)).toEqual(['JSON, 1 KB', 'SSE, 50 chunks'])
  expect(reportText(report)).toContain('<= 1 ms')
}, 120_000)

test('figures are told with three digits or so', () => {
  expect([0.12345, 1.2345, 12.345, 123.45, 12345, 0, 7, Number.NaN].map(figure)).toEqual([
    '0.123',
    '1.23',
    '12.3',
    '123',
    '12,345',
    '0',
    '7',
    '-',
  ])
})
