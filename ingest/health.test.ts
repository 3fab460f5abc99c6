import { expect, test } from 'vitest'
import { causesOf } from './health.js'

const well = {
  log: null,
  store: null,
  consumer: null,
  stuck: null,
  lag: { bytes: 0, seconds: 0 },
  destinations: [],
  deadLetters: 0,
  dlq: 'dlq',
  now: () => 100_000,
}

test('nothing is wrong, nothing is told', () => expect(causesOf(well)).toEqual([]))

test('bytes that wait while nothing can be read are told, with how long and what to do', () => {
  const [cause, ...more] = causesOf({ ...well, stuck: { bytes: 4711, sinceMs: 60_000 } })
  expect(more).toEqual([])
  expect(cause).toMatchObject({ cause: 'ingest_failing', advice: expect.stringContaining('Restart Weir') })
  expect(cause?.effect).toContain('4711 bytes of the journal wait, and for 40 s')
})

test('a store that takes nothing is the cause then, not the log', () =>
  expect(
    causesOf({ ...well, store: { message: 'no', sinceMs: 90_000 }, stuck: { bytes: 1, sinceMs: 60_000 } }).map(
      ({ cause }) => cause,
    ),
  ).toEqual(['analytics_unreachable']))
