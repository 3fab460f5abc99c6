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

/** Pico-USD: a `number` as long as it is a safe integer, and so exact (up to 9,007 USD); beyond that a `bigint`. */
export type Amount = number | bigint

/** Exact sum. */
export const addAmounts = (a: Amount, b: Amount): Amount => {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return BigInt(a) + BigInt(b)
}

/** Exact difference. */
export const subtractAmounts = (a: Amount, b: Amount): Amount =>
  typeof a === 'number' && typeof b === 'number' ? a - b : BigInt(a) - BigInt(b)

const usdPico = 1e12

/** As `usdOf`, of a safe integer >= 0, in a third of its time. */
const usdOfNumber = (pico: number): string => {
  const whole = Math.floor(pico / usdPico)
  let fraction = pico - whole * usdPico
  if (fraction === 0) return String(whole)
  let places = picoDigits
  while (fraction % 1000 === 0) {
    fraction /= 1000
    places -= 3
  }
  while (fraction % 10 === 0) {
    fraction /= 10
    places--
  }
  return `${whole}.${String(fraction).padStart(places, '0')}`
}

/** Decimal USD of an amount that is not negative. */
export const usdOfAmount = (amount: Amount): string => (typeof amount === 'number' ? usdOfNumber(amount) : usdOf(amount))

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
