import { expect, test } from 'vitest'
import { cacheName, endingOf, errorName, groupName, outcomeName } from './names.js'

const row = (outcome: string, status: number, errorKind = '', errorMessage = '') => ({ outcome, status, errorKind, errorMessage })

test('an ending tells the status where there was an answer, and what happened where there was none', () => {
  expect(endingOf(row('complete', 200))).toEqual({ text: '200', tone: 'good', why: 'complete' })
  expect(endingOf(row('complete', 429, 'rate_limit', 'Slow down'))).toEqual({
    text: '429',
    tone: 'warn',
    why: 'complete · rate limit · Slow down',
  })
  expect(endingOf(row('complete', 503, 'overloaded'))).toMatchObject({ text: '503', tone: 'bad' })
  expect(endingOf(row('client_abort', 200, 'client'))).toMatchObject({ text: 'aborted', tone: 'plain' })
  expect(endingOf(row('proxy_lost', 0))).toMatchObject({ text: 'lost', tone: 'bad' })
  expect(endingOf(row('refused', 400, 'policy'))).toMatchObject({ text: 'refused 400', tone: 'warn' })
})

test('words we do not know are shown as they are', () => {
  expect(outcomeName('new_ending')).toBe('new ending')
  expect(errorName('timeout_ttft')).toBe('timeout: first chunk')
  expect(groupName('')).toBe('(not set)')
  expect([cacheName('bypass'), cacheName(''), cacheName('new_result')]).toEqual(['passed by', '', 'new result'])
})
