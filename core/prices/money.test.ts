import { expect, test } from 'vitest'
import { amountPico, decimalOf, divideHalfEven, picoOf, usdOf, type Decimal } from './money.js'

const decimal = (text: string): Decimal => decimalOf(text) as Decimal

test.each([
  ['1', 1_000_000_000_000n],
  ['0.0028', 2_800_000_000n],
  ['9.19e-5', 91_900_000n],
  ['1E+2', 100_000_000_000_000n],
  ['0.0000000000005', 0n],
  ['0.0000000000015', 2n],
  ['0.00000000000051', 1n],
  ['-0.5', -500_000_000_000n],
])('%s is %s pico-USD', (text, pico) => {
  expect(picoOf(text)).toBe(pico)
})

test.each(['', 'x', '1.2.3', 'NaN', '1e9999', '0x10', '1,5'])('%j is no decimal', (text) => {
  expect(picoOf(text)).toBeNull()
})

test.each([
  [7n, 2n, 4n],
  [5n, 2n, 2n],
  [-5n, 2n, -2n],
  [-7n, 2n, -4n],
  [1n, 3n, 0n],
  [2n, 3n, 1n],
])('%s / %s, half to even, is %s', (dividend, divisor, quotient) => {
  expect(divideHalfEven(dividend, divisor)).toBe(quotient)
})

test('an amount is rounded once', () => {
  // 7 x 0.05 x 1.10 / 1,000,000 = 0.000000385
  expect(usdOf(amountPico(decimal('7'), decimal('0.05'), decimal('1.10'), 1_000_000))).toBe('0.000000385')
  expect(usdOf(amountPico(decimal('1'), decimal('0.0000005'), decimal('1'), 1_000_000))).toBe('0')
  expect(usdOf(amountPico(decimal('3'), decimal('0.0000005'), decimal('1'), 1_000_000))).toBe('0.000000000002')
})

test('USD is written without trailing zeros', () => {
  expect([usdOf(0n), usdOf(1n), usdOf(1_500_000_000_000n), usdOf(-1_000_000_000_000n)]).toEqual([
    '0',
    '0.000000000001',
    '1.5',
    '-1',
  ])
})
