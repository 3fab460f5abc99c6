import { expect, test } from 'vitest'
import type { TopicFacts } from '../../journal/kafka/port.js'
import { deadTopicChecks, topicChecks } from './kafka.js'

const day = 86_400_000
const well: TopicFacts = { partitions: 12, replicas: 3, retentionMs: 7 * day, minInsyncReplicas: 2, maxMessageBytes: 1_048_588 }
const settings = { topic: 't', maxMessageBytes: 1_000_000, ssl: false, sasl: null } as const
const told = (facts: TopicFacts | null) => topicChecks('t', facts, settings).map(({ state, message }) => [state, message])

test('a topic as Weir makes it is in order, and so is one that is not there yet', () => {
  expect(told(well)).toEqual([['ok', 't has 12 partitions, 3 replicas, 7 days']])
  expect(told({ ...well, partitions: 24, retentionMs: -1 })).toEqual([['ok', 't has 24 partitions, 3 replicas, no retention']])
  expect(told(null)).toEqual([['ok', 't is made at the first start']])
})

test.each([
  ['partitions', { partitions: 3 }, /has 3 partitions/, /--partitions 12, while nothing waits/],
  ['retention', { retentionMs: 2 * day }, /for 2 days/, /retention\.ms=604800000/],
  ['replicas', { replicas: 1, minInsyncReplicas: 1 }, /kept by 1 broker/, /3 replicas/],
  ['too few in sync', { minInsyncReplicas: 1 }, /one broker has/, /min\.insync\.replicas=2/],
  ['too many in sync', { minInsyncReplicas: 3 }, /while one of its 3 brokers is away/, /min\.insync\.replicas=2/],
  ['too small', { maxMessageBytes: 500_000 }, /takes 500000 bytes at once/, /max\.message\.bytes=1001024/],
])('%s: one warning with the way out', (_name, wrong, message, mend) => {
  const [found, ...more] = topicChecks('t', { ...well, ...wrong }, settings)
  expect(more).toEqual([])
  expect(found).toMatchObject({ state: 'warn', message: expect.stringMatching(message), mend: expect.stringMatching(mend) })
})

test('settings that may not be seen are not guessed', () =>
  expect(told({ partitions: 12, replicas: 3, retentionMs: null, minInsyncReplicas: null, maxMessageBytes: null })).toEqual([
    ['ok', 't has 12 partitions; this user may not see its settings'],
  ]))

test('dead letters are kept for 30 days', () => {
  expect(deadTopicChecks('t', { ...well, retentionMs: 30 * day })).toEqual([])
  expect(deadTopicChecks('t', null)).toEqual([])
  expect(deadTopicChecks('t', well)).toMatchObject([{ state: 'warn', message: expect.stringContaining('t.dlq keeps') }])
})
