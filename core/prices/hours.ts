/** A part of the week, in UTC: off-peak and peak prices hold in one. */
export interface Hours {
  /** Sunday is 0. */
  readonly days: ReadonlySet<number>
  /** Seconds of the day, inclusive. */
  readonly from: number
  /** Exclusive. Not after `from`: the part runs over midnight and belongs to the day it began on. */
  readonly until: number
}

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const everyDay: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 6])
const daySeconds = 86_400

/** @returns `null` when the text is no time of day, as 01:00, 16:30:00 or 24:00. */
const secondOf = (text: string): number | null => {
  const found = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text)
  if (found === null) return null
  const second = Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3] ?? 0)
  return second <= daySeconds ? second : null
}

const daysOf = (text: string): ReadonlySet<number> | null => {
  const days = new Set<number>()
  for (const part of text.toLowerCase().split(',')) {
    const [first = '', last = first] = part.split('-')
    const from = dayNames.indexOf(first.slice(0, 3))
    const until = dayNames.indexOf(last.slice(0, 3))
    if (from < 0 || until < 0) return null
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day)
      if (day === until) break
    }
  }
  return days
}

/**
 * Reads `01:00-04:00`, `16:30-00:30`, `Mon-Fri 01:00-04:00`, `Sat,Sun 00:00-24:00`; all UTC, the end exclusive.
 *
 * @returns `null` when the text is none of these.
 */
export const hoursOf = (text: string): Hours | null => {
  const words = text.trim().split(/\s+/)
  const days = words.length === 2 ? daysOf(words[0] ?? '') : everyDay
  const [from, until] = (words.at(-1) ?? '').split('-').map(secondOf)
  if (words.length > 2 || days === null || from === undefined || from === null || until === undefined || until === null)
    return null
  return { days, from: from % daySeconds, until }
}

/** Does the moment lie in it? */
export const isWithin = ({ days, from, until }: Hours, ms: number): boolean => {
  const second = Math.floor(ms / 1000)
  const ofDay = second % daySeconds
  const day = (Math.floor(second / daySeconds) + 4) % 7 // 1970-01-01 was a Thursday
  if (from < until) return ofDay >= from && ofDay < until && days.has(day)
  return (ofDay >= from && days.has(day)) || (ofDay < until && days.has((day + 6) % 7))
}
