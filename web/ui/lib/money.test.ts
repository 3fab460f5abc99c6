import { expect, test } from 'vitest'
import { difference, sum, usd, usdAxis, usdCell, usdFull, usdSignificant } from './money.js'

test.each([
  ['0', '$0.00'],
  ['0.000000000000', '$0.00'],
  ['0.000000000001', '< $0.01'],
  ['0.004999999999', '< $0.01'],
  ['0.005', '$0.01'],
  ['1.005', '$1.01'],
  ['0.999', '$1.00'],
  ['1234567.894999', '$1,234,567.89'],
  ['99999999999999999999.995', '$100,000,000,000,000,000,000.00'],
  ['-0.5', '−$0.50'],
  ['-0.001', '> −$0.01'],
])('a card shows %s as %s', (decimal, shown) => {
  expect(usd(decimal)).toBe(shown)
})

test.each([
  ['0.0105', '$0.010500'],
  ['0.0000005', '$0.000001'],
  ['0.0000004', '< $0.000001'],
  ['12.3', '$12.300000'],
])('a cell shows %s as %s', (decimal, shown) => {
  expect(usdCell(decimal)).toBe(shown)
})

test.each([
  ['0', '$0.00'],
  ['0.000123456789', '$0.000123457'],
  ['0.0105', '$0.0105'],
  ['1.5', '$1.50'],
  ['123.456789', '$123.457'],
  ['1234567.891', '$1,234,567.89'],
  ['0.0000999999999', '$0.0001'],
])('a call shows %s as %s', (decimal, shown) => {
  expect(usdSignificant(decimal)).toBe(shown)
})

test('a cost line keeps every digit', () => {
  expect(usdFull('0.000000002800')).toBe('$0.0000000028')
  expect(usdFull('2')).toBe('$2.00')
  expect(usdFull('1234.100000000000')).toBe('$1,234.10')
})

test('an amount that is no decimal is refused rather than shown as NaN', () => {
  expect(() => usd('1e-7')).toThrow('Not a decimal amount')
  expect(() => usd('')).toThrow('Not a decimal amount')
})

test('an axis has the decimals of its step', () => {
  expect(usdAxis(0, 0.5)).toBe('$0')
  expect(usdAxis(0.5, 0.5)).toBe('$0.5')
  expect(usdAxis(0.75, 0.25)).toBe('$0.75')
  expect(usdAxis(0.14, 0.07)).toBe('$0.14')
  expect(usdAxis(0.0025, 0.0025)).toBe('$0.0025')
  expect(usdAxis(0.000000005, 0.000000005)).toBe('$0.000000005')
  expect(usdAxis(0.002, 0.001)).toBe('$0.002')
  expect(usdAxis(2000, 500)).toBe('$2,000')
})

test('sums are exact where floats are not', () => {
  expect(sum(['0.1', '0.2'])).toBe('0.300000000000')
  expect(sum(['99999999999999999999', '0.000000000001'])).toBe('99999999999999999999.000000000001')
  expect(sum(['0.5', '-0.75'])).toBe('-0.250000000000')
  expect(sum([])).toBe('0.000000000000')
})

test('a difference is exact to the last place', () => {
  expect(usdFull(difference('0.00021', '0.001'))).toBe('−$0.00079')
  expect(usdFull(difference('-1', '-1.5'))).toBe('$0.50')
  expect(difference('2', '2')).toBe('0.000000000000')
})
