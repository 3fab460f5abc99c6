import { describe, expect, test } from 'vitest'
import { isMeant, namedKinds, parseConditions, type Conditions } from './conditions.js'

const read = (text: string): Conditions => {
  const found = parseConditions(text)
  if ('at' in found) throw new Error(`${found.word} at ${found.at}`)
  return found
}

describe('what is understood', () => {
  test('statuses, classes, ranges and kinds, blanks or commas between', () => {
    expect(read('429 5xx, 520-524,overloaded\ttimeout_ttft')).toEqual({
      kinds: new Set(['overloaded', 'timeout_ttft']),
      statuses: [
        [429, 429],
        [500, 599],
        [520, 524],
      ],
    })
  })

  test('every kind a caller can meet', () => {
    expect(read(namedKinds.join(' ')).kinds.size).toBe(16)
  })
})

test.each([
  ['', 1, ''],
  [' , ', 1, ''],
  ['429 42', 5, '42'],
  ['5XX', 1, '5XX'],
  ['0xx', 1, '0xx'],
  ['599-500', 1, '599-500'],
  ['500-', 1, '500-'],
  ['429;500', 1, '429;500'],
  ['429, overload', 6, 'overload'],
  ['internal', 1, 'internal'],
  ['constructor', 1, 'constructor'],
  ['4290', 1, '4290'],
])('refused: %s', (text, at, word) => {
  expect(parseConditions(text)).toEqual({ at, word })
})

test.each([
  ['429', { kind: 'rate_limit', status: 429 }, true],
  ['429', { kind: 'quota', status: 429 }, true],
  ['rate_limit', { kind: 'quota', status: 429 }, false],
  ['5xx', { kind: 'overloaded', status: 529 }, true],
  ['5xx', { kind: 'rate_limit', status: 429 }, false],
  ['400-499', { kind: 'auth', status: 401 }, true],
  // Nothing answered: only kinds can mean it.
  ['5xx', { kind: 'network', status: 0 }, false],
  ['network', { kind: 'network', status: 0 }, true],
  // An error event inside a 200.
  ['529', { kind: 'overloaded', status: 200 }, true],
  ['503', { kind: 'overloaded', status: 200 }, true],
  ['2xx', { kind: 'overloaded', status: 200 }, false],
  ['5xx', { kind: 'rate_limit', status: 200 }, false],
] as const)('%s means %j: %s', (text, failure, meant) => {
  expect(isMeant(read(text), failure)).toBe(meant)
})
