import { describe, expect, test } from 'vitest'
import { Latencies } from './latencies.js'
import { cheapest, fasterOfTwo, sticking, weighted } from './order.js'

/** Numbers that look like chance, the same each time. */
const chance = (seed = 1): (() => number) => {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}
const [a, b, c] = [
  { name: 'a', weight: 3 },
  { name: 'b', weight: 1 },
  { name: 'c', weight: 0 },
] as const
const firsts = (draw: () => readonly { name: string }[], times = 4000): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (let i = 0; i < times; i++) {
    const name = draw()[0]?.name ?? ''
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe('by weight', () => {
  test('3 to 1, and 0 only when nobody else is left', () => {
    const random = chance()
    const counts = firsts(() => weighted([c, b, a], random))
    // 3,000 of 4,000; four standard deviations are 110.
    expect(counts.a).toBeGreaterThan(2890)
    expect(counts.a).toBeLessThan(3110)
    expect(counts.c).toBeUndefined()
    expect(weighted([c, b, a], random).at(-1)).toBe(c)
    expect(weighted([c], random)).toEqual([c])
  })
  test('whatever chance says', () => {
    for (const u of [0, 0.5, 1 - 2 ** -53]) expect(weighted([a, b, c], () => u)).toHaveLength(3)
  })
})

describe('sticking', () => {
  test('one holder always gets the same order, holders are spread by weight', () => {
    const order = sticking([a, b, c], 'default ada')
    for (let i = 0; i < 20; i++) expect(sticking([c, b, a], 'default ada')).toEqual(order)
    let i = 0
    const counts = firsts(() => sticking([a, b, c], `default user-${i++}`))
    expect(counts.a).toBeGreaterThan(2890)
    expect(counts.a).toBeLessThan(3110)
    expect(counts.c).toBeUndefined()
  })
  test('a target that goes moves its own holders alone', () => {
    const targets = ['a', 'b', 'c', 'd'].map((name) => ({ name, weight: 1 }))
    for (let i = 0; i < 500; i++) {
      const holder = `u${i}`
      const first = sticking(targets, holder)[0]?.name
      if (first !== 'd') expect(sticking(targets.slice(0, 3), holder)[0]?.name).toBe(first)
    }
  })
})

describe('the faster of two', () => {
  const latency = { slow: 900, fast: 100, middle: 500 }
  test('the slowest of three is never first', () => {
    const random = chance(7)
    const targets = (['slow', 'fast', 'middle'] as const).map((name) => ({ name }))
    const counts = firsts(() => fasterOfTwo(targets, ({ name }) => latency[name], random))
    expect(counts.slow).toBeUndefined()
    // Of three pairs the fast one is in two.
    expect(counts.fast).toBeGreaterThan(2500)
  })
  test('who was not measured goes first', () => {
    for (const u of [0, 0.3, 0.6, 0.999])
      expect(
        fasterOfTwo(
          ['known', 'new'],
          (name) => (name === 'known' ? 1 : null),
          () => u,
        ),
      ).toEqual(['new', 'known'])
  })
  test('none and one', () => {
    expect(fasterOfTwo([], () => 1, Math.random)).toEqual([])
    expect(fasterOfTwo(['x'], () => 1, Math.random)).toEqual(['x'])
  })
})

test('cheapest first, without a price last, ties as given', () => {
  expect(cheapest(['none', 'dear', 'cheap', 'also'], [null, 0.2, 0.1, 0.1])).toEqual(['cheap', 'also', 'dear', 'none'])
})

test('a slow answer counts at once, a fast one bit by bit, and all is forgotten', () => {
  let now = 0
  const latencies = new Latencies(() => now)
  expect(latencies.of('a')).toBeNull()
  latencies.took('a', 100)
  expect(latencies.of('a')).toBe(100)
  latencies.took('a', 1000)
  expect(latencies.of('a')).toBe(1000)
  now = 30_000
  // After one time constant: 1000/e + 100 (1 - 1/e) = 431.1.
  latencies.took('a', 100)
  expect(latencies.of('a')).toBeCloseTo(431.09, 1)
  now = 60_000
  expect(latencies.of('a')).toBeCloseTo(431.09 / Math.E, 1)
})
