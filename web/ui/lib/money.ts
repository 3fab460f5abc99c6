// Money stays a decimal string from the column to the screen: these functions cut and round digits, never floats.

/** Amounts are whole pico-dollars. */
const places = 12

const parts = (decimal: string): { negative: boolean; whole: string; fraction: string } => {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal.trim())
  if (match === null) throw new RangeError(`Not a decimal amount: "${decimal}"`)
  return { negative: match[1] === '-', whole: (match[2] ?? '0').replace(/^0+(?=\d)/, ''), fraction: match[3] ?? '' }
}

const grouped = (whole: string): string => whole.replaceAll(/\B(?=(\d{3})+$)/g, ',')

const rounded = (decimal: string, places: number): { negative: boolean; whole: string; fraction: string } => {
  const { negative, whole, fraction } = parts(decimal)
  const digits = BigInt(whole + fraction.slice(0, places).padEnd(places, '0'))
  const up = Number(fraction[places] ?? '0') >= 5
  const text = String(digits + (up ? 1n : 0n)).padStart(places + 1, '0')
  return { negative, whole: text.slice(0, text.length - places), fraction: places === 0 ? '' : text.slice(-places) }
}

const isZero = (decimal: string): boolean => /^-?0*(\.0*)?$/.test(decimal)
const write = ({ negative, whole, fraction }: ReturnType<typeof parts>): string =>
  `${negative ? '−' : ''}$${grouped(whole)}${fraction === '' ? '' : `.${fraction}`}`

const withPlaces = (decimal: string, places: number): string => {
  const value = rounded(decimal, places)
  const nothingLeft = /^0*$/.test(value.whole + value.fraction)
  if (!nothingLeft) return write(value)
  if (isZero(decimal)) return write({ ...value, negative: false })
  const least = `$0.${'1'.padStart(places, '0')}`
  return value.negative ? `> −${least}` : `< ${least}`
}

/** For cards and bars: two decimals, and `< $0.01` for what is less but not nothing. */
export const usd = (decimal: string): string => withPlaces(decimal, 2)

/** For table cells: six decimals, so that a column of small amounts lines up. */
export const usdCell = (decimal: string): string => withPlaces(decimal, 6)

/** For one call: six significant digits, at least two decimals, rounded half up. */
export const usdSignificant = (decimal: string): string => {
  const { whole, fraction } = parts(decimal)
  if (isZero(decimal)) return '$0.00'
  const zeros = /^0*/.exec(fraction)?.[0].length ?? 0
  const places = whole === '0' ? zeros + 6 : Math.max(6 - whole.length, 2)
  const value = rounded(decimal, places)
  return write({ ...value, fraction: value.fraction.replace(/0+$/, '').padEnd(2, '0') })
}

/** Every digit there is, for cost lines: only trailing zeros after the second decimal go. */
export const usdFull = (decimal: string): string => {
  const value = parts(decimal)
  return write({ ...value, fraction: value.fraction.replace(/0+$/, '').padEnd(2, '0') })
}

/** A float for lengths of bars and heights of charts; never for text. */
export const approximate = (decimal: string): number => Number(decimal)

/** Axis labels of a chart: as many decimals as the step has, so that no label is rounded. */
export const usdAxis = (value: number, step: number): string => {
  if (value === 0) return '$0'
  // Floats: 0.07 x 100 is 7.000000000000001.
  const whole = (scaled: number): boolean => scaled > 0.5 && Math.abs(scaled - Math.round(scaled)) < 1e-6
  let decimals = 0
  while (decimals < places && !whole(step * 10 ** decimals)) decimals++
  return `$${value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })}`
}

const pico = (decimal: string): bigint => {
  const { negative, whole, fraction } = parts(decimal)
  const digits = BigInt(whole + fraction.slice(0, places).padEnd(places, '0'))
  return negative ? -digits : digits
}

/** The exact sum, to the 12 decimals amounts have. */
export const sum = (decimals: readonly string[]): string => {
  const total = decimals.reduce((all, decimal) => all + pico(decimal), 0n)
  const digits = String(total < 0n ? -total : total).padStart(places + 1, '0')
  return `${total < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`
}

/** Exact `a - b`. */
export const difference = (a: string, b: string): string => sum([a, b.startsWith('-') ? b.slice(1) : `-${b}`])
