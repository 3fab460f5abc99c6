/** USD as integers of 10^-12 (cost.md §1): nano is too coarse, $0.0028 per million tokens is 2.8 of them a token. */
export type Pico = bigint

const picoDigits = 12
const plain = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/** A decimal as `digits x 10^-scale`; `scale` >= 0. */
export interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

/** Reads a decimal exactly, exponents included. @returns `null` when the text is none. */
export const decimalOf = (text: string): Decimal | null => {
  const found = plain.exec(text.trim())
  if (found === null) return null
  const [, sign, whole = '0', fraction = '', exponent = '0'] = found
  let digits = BigInt(whole + fraction)
  let scale = fraction.length - Number(exponent)
  if (scale < 0) {
    digits *= 10n ** BigInt(-scale)
    scale = 0
  }
  return { digits: sign === '-' ? -digits : digits, scale }
}

/** Divides, rounding half to even. `divisor` > 0. */
export const divideHalfEven = (dividend: bigint, divisor: bigint): bigint => {
  const negative = dividend < 0n
  const size = negative ? -dividend : dividend
  let quotient = size / divisor
  const twice = (size % divisor) * 2n
  if (twice > divisor || (twice === divisor && quotient % 2n === 1n)) quotient += 1n
  return negative ? -quotient : quotient
}

/** `quantity x unitPrice x multiplier / per` in pico-USD, rounded half-even once. All arguments are exact decimals. */
export const amountPico = (quantity: Decimal, unitPrice: Decimal, multiplier: Decimal, per: number): Pico => {
  const scale = quantity.scale + unitPrice.scale + multiplier.scale
  const digits = quantity.digits * unitPrice.digits * multiplier.digits
  if (scale <= picoDigits) return divideHalfEven(digits * 10n ** BigInt(picoDigits - scale), BigInt(per))
  return divideHalfEven(digits, BigInt(per) * 10n ** BigInt(scale - picoDigits))
}

/** Decimal USD without trailing zeros: `0.0192825`, `0`. */
export const usdOf = (pico: Pico): string => {
  const negative = pico < 0n
  const text = (negative ? -pico : pico).toString().padStart(picoDigits + 1, '0')
  const fraction = text.slice(-picoDigits).replace(/0+$/, '')
  return `${negative ? '-' : ''}${text.slice(0, -picoDigits)}${fraction === '' ? '' : `.${fraction}`}`
}

/** @returns Pico-USD of a decimal text, rounded half-even; `null` when it is none. */
export const picoOf = (text: string): Pico | null => {
  const decimal = decimalOf(text)
  if (decimal === null) return null
  return decimal.scale <= picoDigits
    ? decimal.digits * 10n ** BigInt(picoDigits - decimal.scale)
    : divideHalfEven(decimal.digits, 10n ** BigInt(decimal.scale - picoDigits))
}
