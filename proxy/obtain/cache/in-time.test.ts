import { expect, test } from 'vitest'
import { inTime } from './in-time.js'

test('what comes, what fails, and what never comes', async () => {
  expect(await inTime(Promise.resolve(1), 20)).toBe(1)
  expect(await inTime(Promise.reject(new Error('down')), 20)).toBeNull()
  expect(await inTime(new Promise(() => undefined), 1)).toBeNull()
})

test('an answer that was there while the loop was busy is not late', async () => {
  const answer = new Promise((resolve) => setTimeout(() => resolve('here'), 5))
  const asked = inTime(answer, 4)
  const until = performance.now() + 30
  while (performance.now() < until);
  expect(await asked).toBe('here')
})
