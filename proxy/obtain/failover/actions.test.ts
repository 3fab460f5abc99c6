import { expect, test } from 'vitest'
import { parseConditions, type Conditions } from '../../../core/conditions.js'
import type { ErrorKind } from '../../../core/exchange.js'
import { isRetried, movesOn } from './actions.js'

const on = (text: string): Conditions => parseConditions(text) as Conditions

test.each<[ErrorKind, boolean, boolean]>([
  // routing.md §3: [kind, retry, next target]
  ['rate_limit', true, true],
  ['overloaded', true, true],
  ['server', true, true],
  ['network', true, true],
  ['timeout_connect', true, true],
  ['timeout_ttft', false, true],
  ['timeout_idle', false, true],
  ['timeout_total', false, false],
  ['auth', false, true],
  ['quota', false, true],
  ['not_found', false, true],
  ['context_length', false, true],
  ['conflict', true, false],
  ['content_policy', false, false],
  ['too_large', false, false],
  ['bad_request', false, false],
])('%s: retry %s, next %s', (kind, retry, next) => {
  const failure = { kind, status: 0 }
  expect(isRetried(failure, null, null)).toBe(retry)
  expect(movesOn(failure, null, null)).toBe(next)
})

test('conditions replace the column', () => {
  const badRequest = { kind: 'bad_request', status: 400 } as const
  const rateLimit = { kind: 'rate_limit', status: 429 } as const
  expect(isRetried(badRequest, on('400'), null)).toBe(true)
  expect(isRetried(rateLimit, on('400'), null)).toBe(false)
  expect(movesOn(badRequest, null, on('4xx'))).toBe(true)
  expect(movesOn(rateLimit, null, on('5xx'))).toBe(false)
  expect(movesOn(badRequest, on('400'), null)).toBe(true)
  expect(movesOn(rateLimit, on('500-599'), null)).toBe(false)
  expect(movesOn(rateLimit, on('429'), on('5xx'))).toBe(false)
})

test('the upstream has the last word on being asked again, and none on others', () => {
  const server = { kind: 'server', status: 500 } as const
  const badRequest = { kind: 'bad_request', status: 400 } as const
  expect(isRetried(server, null, false)).toBe(false)
  expect(isRetried(server, on('500'), false)).toBe(false)
  expect(isRetried(badRequest, null, true)).toBe(true)
  expect(isRetried({ kind: 'timeout_total', status: 0 }, null, true)).toBe(false)
})
