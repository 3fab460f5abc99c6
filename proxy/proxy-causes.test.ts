import { expect, test } from 'vitest'
import { proxyCauses, type ProxyState } from './proxy-causes.js'

const journal = { bytes: 500, limitBytes: 1000, shedsBodies: false, full: null, dropped: 0, tornBytes: 0 }
const shipping = { lagBytes: 0, lagSeconds: 0, events: 0, resent: 0, deadLetters: 0, kept: 0, trouble: null }
const well: ProxyState = {
  journal: { state: journal },
  journalLeft: () => null,
  shipping: () => shipping,
  dlqDir: '/data/dlq',
  saturated: () => null,
  storeAway: () => null,
  controlStale: () => null,
  draining: () => false,
}

test('nothing is wrong, nothing is told', () => {
  expect(proxyCauses(well)).toEqual([])
  expect(proxyCauses({ ...well, shipping: null })).toEqual([])
})

test('Kafka away: how much waits, and when the journal is full', () => {
  const [cause, ...more] = proxyCauses({
    ...well,
    journalLeft: () => 7200,
    shipping: () => ({ ...shipping, lagBytes: 3 * 1024 ** 2, trouble: { message: 'No broker answers.\nstack', sinceMs: 0 } }),
  })
  expect(more).toEqual([])
  expect(cause).toMatchObject({
    cause: 'kafka_unreachable',
    effect:
      '3.0 MiB of events wait in the journal, 50 % of its limit; at the rate of the last minute it is full in 2 h. No broker answers.',
    advice: expect.stringContaining('KAFKA_BROKERS'),
  })
})

test('a full journal tells how many calls left no row, and not that it is high', () => {
  const full = { reason: 'ENOSPC', message: 'No space.' } as const
  const causes = proxyCauses({ ...well, journal: { state: { ...journal, full, shedsBodies: true, dropped: 1 } } })
  expect(causes.map(({ cause, effect }) => [cause, effect])).toEqual([
    ['journal_full', 'No space. 1 call has left no row since the start.'],
  ])
})

test('a journal that is high tells how high', () =>
  expect(proxyCauses({ ...well, journal: { state: { ...journal, bytes: 849, shedsBodies: true } } })[0]?.effect).toContain(
    "84 % of the journal's limit are used",
  ))

test('dead letters of the shipper, while they lie there', () =>
  expect(proxyCauses({ ...well, shipping: () => ({ ...shipping, deadLetters: 9, kept: 1 }) })).toMatchObject([
    { cause: 'dead_letters', effect: expect.stringContaining('/data/dlq') },
  ]))

test('the rest in the words of those who know, the worst first', () =>
  expect(
    proxyCauses({
      ...well,
      draining: () => true,
      saturated: () => 'busy',
      storeAway: () => 'away',
      controlStale: () => ({ effect: 'old', refuses: false }),
    }).map(({ cause, effect }) => `${cause}: ${effect}`),
  ).toEqual(['draining: The process is about to stop.', 'saturated: busy', 'control_stale: old', 'store_unreachable: away']))
