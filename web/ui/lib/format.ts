const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 })

/** With thousands separators. */
export const count = (value: number): string => whole.format(value)

/** For cards and axes, from a hundred thousand on: `1.23M`. */
export const countShort = (value: number): string => (Math.abs(value) < 100_000 ? whole.format(value) : short.format(value))

/** `1 call`, `2 calls`. */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

const seconds = (ms: number): string => {
  const total = Math.round(ms / 1000)
  if (total < 60) return `${(ms / 1000).toFixed(1)} s`
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`
  return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`
}

/** Milliseconds under 10 s, then seconds, then minutes. */
export const duration = (ms: number): string => {
  if (ms >= 10_000) return seconds(ms)
  if (ms > 0 && ms < 1) return '< 1 ms'
  return `${whole.format(Math.round(ms))} ms`
}

/** For the timing bar, where what we add is itself a figure: µs under a millisecond. */
export const durationUs = (us: number): string => {
  if (us < 1000) return `${whole.format(us)} µs`
  if (us < 100_000) return `${(us / 1000).toFixed(1)} ms`
  return duration(us / 1000)
}

/** A share of one. Never `0%` for something, never `100%` for not all. */
export const percent = (share: number): string => {
  const value = share * 100
  if (value > 0 && value < 0.1) return '< 0.1%'
  if (value < 100 && value > 99.9) return '> 99.9%'
  return `${value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 1 : 0 })}%`
}

export interface Change {
  readonly text: string
  readonly direction: 'up' | 'down' | 'same'
}

/** Against the period before; `null` where there is nothing to compare with. */
export const change = (now: number | null, before: number | null): Change | null => {
  if (now === null || before === null || (now === 0 && before === 0)) return null
  if (before === 0) return { text: 'new', direction: 'up' }
  const share = (now - before) / before
  if (Math.abs(share) < 0.0005) return { text: 'no change', direction: 'same' }
  const size = Math.abs(share)
  const text = size >= 10 ? `${whole.format(Math.round(now / before))}×` : `${(size * 100).toFixed(size < 0.1 ? 1 : 0)}%`
  return { text: `${share > 0 ? '+' : '−'}${text}`.replace(/^\+(.*×)$/, '$1'), direction: share > 0 ? 'up' : 'down' }
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
export const bytes = (n: number): string => {
  let value = n
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return unit === 0 ? `${count(n)} B` : `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`
}

const two = (n: number): string => String(n).padStart(2, '0')
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** Date and time in the viewer's zone, to the millisecond: `25 Nov 19:46:12.345`. */
export const time = (at: string | number | Date, now: number = Date.now()): string => {
  const date = new Date(at)
  const year = date.getFullYear() === new Date(now).getFullYear() ? '' : ` ${date.getFullYear()}`
  return `${day(date)}${year} ${clock(date, 'millisecond')}`
}
const day = (date: Date): string => `${date.getDate()} ${months[date.getMonth()] ?? ''}`

/** Time of day alone, where the day is plain: `19:46:12`, with milliseconds `19:46:12.345`. */
export const clock = (at: string | number | Date, to: 'second' | 'millisecond' = 'second'): string => {
  const date = new Date(at)
  const ms = to === 'second' ? '' : `.${String(date.getMilliseconds()).padStart(3, '0')}`
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${ms}`
}

/** Whether two instants lie on the same day of the viewer. */
export const sameDay = (a: string | number | Date, b: string | number | Date): boolean =>
  new Date(a).toDateString() === new Date(b).toDateString()

/** To the minute, for ranges and charts. */
export const timeShort = (at: string | number | Date): string => {
  const date = new Date(at)
  return `${day(date)} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** The same instant in UTC, for tooltips. */
export const utc = (at: string | number | Date): string => `${new Date(at).toISOString().replace('T', ' ').replace('Z', '')} UTC`

/** `now`, `12 s ago`, `3 min ago`, `2 h ago`, `4 d ago`. */
export const ago = (at: string | number | Date, now: number): string => {
  const s = Math.max(0, Math.round((now - new Date(at).getTime()) / 1000))
  if (s < 2) return 'now'
  if (s < 60) return `${s} s ago`
  if (s < 3600) return `${Math.floor(s / 60)} min ago`
  if (s < 172_800) return `${Math.floor(s / 3600)} h ago`
  return `${Math.floor(s / 86_400)} d ago`
}
