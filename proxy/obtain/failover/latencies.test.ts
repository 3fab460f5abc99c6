import { expect, test } from 'vitest'
import { Latencies } from './latencies.js'

test('ten thousand circuits, those measured last', () => {
  const latencies = new Latencies(() => 0)
  for (let n = 0; n < 10_000; n++) latencies.took(`circuit ${n}`, n)
  latencies.took('circuit 0', 5)
  for (let n = 0; n < 90_000; n++) latencies.took(`other ${n % 9_999}`, n)
  expect(latencies.of('circuit 0')).toBe(5)
  expect(latencies.of('circuit 1')).toBe(null)
  latencies.took('one more', 1)
  expect(latencies.of('circuit 0')).toBe(null)
})
