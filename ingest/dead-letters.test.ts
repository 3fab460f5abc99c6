import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openDeadLetters, type DeadLetter } from './dead-letters.js'
import { testFolder } from './testing.js'

const now = (): number => Date.parse('2026-11-25T10:00:00Z')
const letter = (first: number, bytes = 1000): DeadLetter => ({
  reason: 'refused',
  error: 'no',
  source: { partition: 'w', first, last: first },
  payload: Buffer.alloc(bytes, first),
})

test('a letter is a line of JSON that says why, then the payload as it was', async () => {
  const dir = join(testFolder(onTestFinished), 'dlq', 'deep')
  const letters = await openDeadLetters({ dir, limitBytes: null, now })
  const payload = Buffer.from([0, 10, 255, 10, 13])
  await letters.put({
    reason: 'undecodable',
    error: 'broken\nhead',
    source: { partition: '../../etc', first: 7, last: 7 },
    payload,
  })
  expect(readdirSync(dir)).toEqual(['.._.._etc_7-7_undecodable.dead'])
  const bytes = readFileSync(join(dir, '.._.._etc_7-7_undecodable.dead'))
  const cut = bytes.indexOf(10)
  expect(JSON.parse(bytes.toString('utf8', 0, cut))).toEqual({
    v: 1,
    reason: 'undecodable',
    error: 'broken\nhead',
    source: { partition: '../../etc', first: 7, last: 7 },
    at: '2026-11-25T10:00:00.000Z',
  })
  expect(bytes.subarray(cut + 1).equals(payload)).toBe(true)
})

test('twice is one file; what was there before is counted', async () => {
  const dir = testFolder(onTestFinished)
  const letters = await openDeadLetters({ dir, limitBytes: null, now })
  await Promise.all([letters.put(letter(1)), letters.put(letter(1)), letters.put(letter(2))])
  expect(letters.count()).toBe(2)
  writeFileSync(join(dir, 'half.dead.tmp'), 'torn')
  mkdirSync(join(dir, 'otlp-jaeger'))
  expect((await openDeadLetters({ dir, limitBytes: null, now })).count()).toBe(2)
  rmSync(join(dir, 'w_1-1_refused.dead'))
  await letters.recount()
  expect(letters.count()).toBe(1)
})

test('above the limit the oldest go', async () => {
  const dir = testFolder(onTestFinished)
  const letters = await openDeadLetters({ dir, limitBytes: 5000, now })
  for (let n = 1; n <= 10; n++) await letters.put(letter(n)) // 1,000 bytes and a head of about 110
  expect(readdirSync(dir).sort()).toEqual([
    'w_10-10_refused.dead',
    'w_7-7_refused.dead',
    'w_8-8_refused.dead',
    'w_9-9_refused.dead',
  ])
  expect(letters.count()).toBe(4)
})

test('a letter larger than the limit is kept alone', async () => {
  const dir = testFolder(onTestFinished)
  const letters = await openDeadLetters({ dir, limitBytes: 5000, now })
  await letters.put(letter(1))
  await letters.put(letter(2, 9000))
  expect(readdirSync(dir)).toEqual(['w_2-2_refused.dead'])
})
