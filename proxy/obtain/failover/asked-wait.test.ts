import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { adviceIn } from './asked-wait.js'

const now = Date.UTC(2026, 10, 26, 12, 0, 0)
const wait = (...headers: string[]): number => adviceIn(headers, Buffer.alloc(0), now).waitMs

test.each([
  [['retry-after', '3'], 3000],
  [['Retry-After', ' 0.25 '], 250],
  [['retry-after-ms', '1500'], 1500],
  [['retry-after-ms', '12.5'], 12.5],
  // The longest of all counts.
  [['retry-after', '1', 'retry-after-ms', '0'], 1000],
  [['retry-after', '1', 'retry-after-ms', '2000'], 2000],
  [['retry-after', '1', 'retry-after', '4'], 4000],
  [['retry-after', '1000000000'], 1e12],
  // 12:00:07 is 7 s ahead, in the three forms of a date.
  [['retry-after', 'Thu, 26 Nov 2026 12:00:07 GMT'], 7000],
  [['retry-after', 'Thursday, 26-Nov-26 12:00:07 GMT'], 7000],
  [['retry-after', 'Thu Nov 26 12:00:07 2026'], 7000],
  [['retry-after', 'Thu, 26 Nov 2026 11:59:00 GMT'], 0],
  [['retry-after', '-3'], 0],
  [['retry-after', 'soon'], 0],
  [['retry-after', '2026-11-26'], 0],
  [['retry-after', '3s'], 0],
  [['retry-after', '1e3'], 0],
  [['retry-after', ''], 0],
  [['retry-after-ms', '-1'], 0],
  [[], 0],
] as const)('%j asks for %d ms', (headers, ms) => {
  expect(wait(...headers)).toBe(ms)
})

const google = (...details: unknown[]): Buffer =>
  Buffer.from(JSON.stringify({ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota', details } }))
const retryInfo = (retryDelay: unknown): unknown => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay })

test.each([
  ['whole seconds', google(retryInfo('34s')), [], 34_000],
  ['a fraction', google({ '@type': 'x' }, retryInfo('3.957525076s')), [], 3957.525076],
  ['less than the header says', google(retryInfo('1s')), ['retry-after', '2'], 2000],
  ['compressed', gzipSync(google(retryInfo('5s'))), ['content-encoding', 'gzip'], 5000],
  ['compressed and cut', gzipSync(google(retryInfo('5s'))).subarray(0, 40), ['content-encoding', 'gzip'], 0],
  ['in an array, as its OpenAI form has it', Buffer.from(`[${google(retryInfo('6s')).toString()}]`), [], 6000],
  ['cut', google(retryInfo('5s')).subarray(0, 60), [], 0],
  ['no duration', google(retryInfo('5'), retryInfo(5), retryInfo('-5s')), [], 0],
  ['of another detail', google({ '@type': 'Other', retryDelay: '9s' }), [], 0],
])('RetryInfo: %s', (_, body, headers, ms) => {
  expect(adviceIn(headers, body, now).waitMs).toBeCloseTo(ms, 6)
})

test.each([
  ['true', true],
  ['FALSE', false],
  ['maybe', null],
])('x-should-retry: %s', (value, should) => {
  expect(adviceIn(['X-Should-Retry', value], Buffer.alloc(0), now).shouldRetry).toBe(should)
})
