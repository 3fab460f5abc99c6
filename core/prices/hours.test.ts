import { expect, test } from 'vitest'
import { hoursOf, isWithin } from './hours.js'

const within = (text: string, iso: string): boolean => {
  const hours = hoursOf(text)
  if (hours === null) throw new Error(`${text} cannot be read`)
  return isWithin(hours, Date.parse(iso))
}

// 2026-08-19 is a Wednesday.
test.each([
  ['01:00-04:00', '2026-08-19T00:59:59.999Z', false],
  ['01:00-04:00', '2026-08-19T01:00:00Z', true],
  ['01:00-04:00', '2026-08-19T03:59:59.999Z', true],
  ['01:00-04:00', '2026-08-19T04:00:00Z', false],
  ['16:30-00:30', '2026-08-19T16:30:00Z', true],
  ['16:30-00:30', '2026-08-20T00:29:00Z', true],
  ['16:30-00:30', '2026-08-20T00:30:00Z', false],
  ['16:30-00:30', '2026-08-19T12:00:00Z', false],
  ['00:00-24:00', '2026-08-19T23:59:59Z', true],
  ['Mon-Fri 01:00-04:00', '2026-08-21T02:00:00Z', true],
  ['Mon-Fri 01:00-04:00', '2026-08-22T02:00:00Z', false],
  ['Sat,Sun 00:00-24:00', '2026-08-22T12:00:00Z', true],
  ['Sat,Sun 00:00-24:00', '2026-08-24T00:00:00Z', false],
  // The night from Friday to Saturday belongs to Friday, that from Sunday to Monday to Sunday.
  ['Mon-Fri 22:00-02:00', '2026-08-22T01:00:00Z', true],
  ['Mon-Fri 22:00-02:00', '2026-08-24T01:00:00Z', false],
  ['sunday 22:00-02:00', '2026-08-24T01:00:00Z', true],
  ['Fri-Mon 10:00-11:00:30', '2026-08-23T11:00:29Z', true],
  ['Fri-Mon 10:00-11:00:30', '2026-08-19T10:30:00Z', false],
])('%s holds at %s: %s', (text, iso, holds) => {
  expect(within(text, iso)).toBe(holds)
})

test.each(['', 'at night', '25:00-26:00', '01:00', 'Foo 01:00-02:00', 'Mon- 01:00-02:00', 'Mon Tue 01:00-02:00', '1-2'])(
  '%j cannot be read',
  (text) => expect(hoursOf(text)).toBeNull(),
)
