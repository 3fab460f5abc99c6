import { expect, test } from 'vitest'
import {
  ago,
  bytes,
  change,
  clock,
  count,
  countShort,
  duration,
  durationUs,
  percent,
  plural,
  sameDay,
  time,
  timeShort,
  utc,
} from './format.js'

test.each([
  [0, '0 ms'],
  [0.4, '< 1 ms'],
  [999, '999 ms'],
  [9_999, '9,999 ms'],
  [10_000, '10.0 s'],
  [59_400, '59.4 s'],
  [59_999, '1 min 0 s'],
  [125_000, '2 min 5 s'],
  [3_725_000, '1 h 2 min'],
])('%d ms reads %s', (ms, shown) => {
  expect(duration(ms)).toBe(shown)
})

test('microseconds are told apart below a millisecond', () => {
  expect(durationUs(870)).toBe('870 µs')
  expect(durationUs(1_540)).toBe('1.5 ms')
  expect(durationUs(234_000)).toBe('234 ms')
})

test('counts', () => {
  expect(count(1_234_567)).toBe('1,234,567')
  expect(countShort(99_999)).toBe('99,999')
  expect(countShort(1_234_567)).toBe('1.23M')
  expect(plural(1, 'call')).toBe('1 call')
  expect(plural(2_000, 'reply', 'replies')).toBe('2,000 replies')
  expect(bytes(512)).toBe('512 B')
  expect(bytes(1536)).toBe('1.5 KiB')
  expect(bytes(100 * 1024 ** 2)).toBe('100 MiB')
})

test('a share is never rounded to nothing or to everything', () => {
  expect(percent(0)).toBe('0%')
  expect(percent(0.0001)).toBe('< 0.1%')
  expect(percent(0.0123)).toBe('1.2%')
  expect(percent(0.5)).toBe('50%')
  expect(percent(0.9999)).toBe('> 99.9%')
  expect(percent(1)).toBe('100%')
})

test('change against the period before', () => {
  expect(change(112, 100)).toEqual({ text: '+12%', direction: 'up' })
  expect(change(99, 100)).toEqual({ text: '−1.0%', direction: 'down' })
  expect(change(100, 100)).toEqual({ text: 'no change', direction: 'same' })
  expect(change(5, 0)).toEqual({ text: 'new', direction: 'up' })
  expect(change(1500, 100)).toEqual({ text: '15×', direction: 'up' })
  expect(change(0, 0)).toBeNull()
  expect(change(null, 3)).toBeNull()
})

test('times', () => {
  expect(utc('2026-11-25T19:46:12.345Z')).toBe('2026-11-25 19:46:12.345 UTC')
  const now = Date.parse('2026-11-25T20:00:00Z')
  expect(ago(now - 1_000, now)).toBe('now')
  expect(ago(now - 59_000, now)).toBe('59 s ago')
  expect(ago(now - 61_000, now)).toBe('1 min ago')
  expect(ago(now - 7_200_000, now)).toBe('2 h ago')
  expect(ago(now - 4 * 86_400_000, now)).toBe('4 d ago')
})

test('times in the zone of the viewer', () => {
  const at = new Date(2026, 10, 25, 9, 5, 7, 30)
  expect(clock(at)).toBe('09:05:07')
  expect(clock(at, 'millisecond')).toBe('09:05:07.030')
  expect(timeShort(at)).toBe('25 Nov 09:05')
  expect(time(at, at.getTime())).toBe('25 Nov 09:05:07.030')
  expect(time(at, new Date(2027, 0, 1).getTime())).toBe('25 Nov 2026 09:05:07.030')
  expect(sameDay(at, new Date(2026, 10, 25, 23, 59))).toBe(true)
  expect(sameDay(at, new Date(2026, 10, 26))).toBe(false)
})
