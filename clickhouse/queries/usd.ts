const digits = 12

/** Sum of decimals as text, exact: 10^-12 USD in integers, as the tables hold them. */
export const sumUsd = (amounts: readonly string[]): string => {
  let pico = 0n
  for (const amount of amounts) {
    const [whole = '0', fraction = ''] = amount.replace('-', '').split('.')
    const value = BigInt(whole + fraction.padEnd(digits, '0').slice(0, digits))
    pico += amount.startsWith('-') ? -value : value
  }
  const text = (pico < 0n ? -pico : pico).toString().padStart(digits + 1, '0')
  const fraction = text.slice(-digits).replace(/0+$/, '')
  return `${pico < 0n ? '-' : ''}${text.slice(0, -digits)}${fraction === '' ? '' : `.${fraction}`}`
}
