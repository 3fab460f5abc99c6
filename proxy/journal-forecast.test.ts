import { expect, onTestFinished, test, vi } from 'vitest'
import { fullIn, journalForecast } from './journal-forecast.js'

test('by the growth of the last minute, and nothing where it does not grow or is full', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let bytes = 1000
  const forecast = journalForecast(() => ({ bytes, limitBytes: 10_000 }), Date.now)
  const grow = (by: number, seconds: number): void => {
    for (let n = 0; n < seconds; n += 5) {
      bytes += by * 5
      vi.advanceTimersByTime(5000)
    }
  }
  expect(forecast.secondsLeft()).toBeNull()
  grow(10, 60)
  expect(bytes).toBe(1600)
  expect(forecast.secondsLeft()).toBeCloseTo(840)
  // What was more than a minute ago does not count.
  grow(0, 65)
  expect(forecast.secondsLeft()).toBeNull()
  grow(100, 60)
  expect(forecast.secondsLeft()).toBeCloseTo(24)
  bytes = 10_001
  expect(forecast.secondsLeft()).toBeNull()
  forecast.close()
})

test.each([
  [null, 'it does not grow at the moment'],
  [42.4, 'at the rate of the last minute it is full in 42 s'],
  [1200, 'at the rate of the last minute it is full in 20 min'],
  [10_800, 'at the rate of the last minute it is full in 3 h'],
  [864_000, 'at the rate of the last minute it is full in 10 days'],
])('%s s: %s', (seconds, said) => expect(fullIn(seconds)).toBe(said))
