import { expect, test } from 'vitest'
import { positionBehind } from './kafka-source.js'

const place = { topic: 'weir.exchanges.v1', partition: 3 }
const range = { low: 100, high: 900 }
const noted = (note: object) => ({ offset: 800, metadata: JSON.stringify(note) })
const stored = (...last: readonly (readonly [name: string, at: number])[]) => new Map(last)

test.each([
  ['behind the last call that is stored', undefined, stored(['weir.exchanges.v1/3', 420]), [421, '', 0]],
  [
    'a plan that was under way is forgotten',
    noted({ first: 421, last: 500 }),
    stored(['weir.exchanges.v1/3', 420]),
    [421, '', 0],
  ],
  ['from its beginning where nothing is stored', noted({}), stored(['weir.exchanges.v1/2', 420]), [100, '', 0]],
  ['what is gone from the topic is told', undefined, stored(['weir.exchanges.v1/3', 39]), [100, '', 60]],
  ['never behind its end', undefined, stored(['weir.exchanges.v1/3', 5000]), [900, '', 0]],
  [
    'a topic that was made anew keeps its number, and its doubts',
    noted({ log: 1, doubtBelow: 700 }),
    stored(['weir.exchanges.v1/3', 820], ['weir.exchanges.v1/3~1', 210]),
    [211, '{"log":1,"doubtBelow":700}', 0],
  ],
  [
    'of which nothing is stored yet',
    noted({ log: 1, doubtBelow: 700 }),
    stored(['weir.exchanges.v1/3', 820]),
    [100, '{"log":1,"doubtBelow":700}', 0],
  ],
  [
    'a group that has forgotten it learns it from the rows; all of it is in doubt',
    undefined,
    stored(['weir.exchanges.v1/3', 820], ['weir.exchanges.v1/3~2', 210], ['weir.exchanges.v1/30~7', 1]),
    [211, '{"log":2,"doubtBelow":900}', 0],
  ],
] as const)('%s', (_name, stand, rows, [offset, metadata, missing]) => {
  expect(positionBehind(place, range, { stand, stored: rows })).toEqual({ offset, metadata, missing })
})
