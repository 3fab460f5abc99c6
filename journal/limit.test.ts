import { expect, test } from 'vitest'
import { clampedShare, journalLimitBytes } from './limit.js'
import { testFolder } from './testing.js'

const GiB = 1024 ** 3

test('a share of the disk, at least 2 and at most 20 GiB', () => {
  expect(clampedShare(100 * GiB, 10)).toBe(10 * GiB)
  expect(clampedShare(5 * GiB, 10)).toBe(2 * GiB)
  expect(clampedShare(1000 * GiB, 10)).toBe(20 * GiB)
})

test('a size is taken as it is told', async () => {
  expect(await journalLimitBytes('/nowhere', { bytes: 12 })).toBe(12)
})

test('the disk is asked, also before the folder is there', async () => {
  const bytes = await journalLimitBytes(`${testFolder()}/journal`, { percent: 10 })
  expect(bytes).toBeGreaterThanOrEqual(2 * GiB)
  expect(bytes).toBeLessThanOrEqual(20 * GiB)
})
