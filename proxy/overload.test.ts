import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { memoryCeilingBytes, watchOverload, type Overload, type Pressure } from './overload.js'

const calm: Pressure = { loopDelayMs: 1, rssBytes: 100, heldBytes: 50, heapBytes: 100, heapLimitBytes: 1000 }
const limits = { loopDelayMs: 200, memoryBytes: 1000 }

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const watched = (): { overload: Overload; at: (more: Partial<Pressure>, seconds?: number) => string | null } => {
  let now: Pressure = calm
  const overload = watchOverload({ limits: () => limits, pressure: () => now, now: () => performance.now() })
  return {
    overload,
    at: (more, seconds = 1) => {
      now = { ...calm, ...more }
      vi.advanceTimersByTime(seconds * 1000)
      return overload.reason()
    },
  }
}

test('a late event loop: after ten seconds in a row, until it is well for three', () => {
  const { at } = watched()
  expect(at({ loopDelayMs: 201 }, 10)).toBeNull()
  expect(at({ loopDelayMs: 200 })).toBeNull()
  expect(at({ loopDelayMs: 201 }, 10)).toBeNull()
  expect(at({ loopDelayMs: 201 })).toContain('ceilings.loopDelay in weir.yaml: 200 ms')
  // Neither late nor well: it stays as it is.
  expect(at({ loopDelayMs: 150 }, 60)).not.toBeNull()
  expect(at({ loopDelayMs: 90 }, 3)).not.toBeNull()
  expect(at({ loopDelayMs: 90 })).toBeNull()
  expect(at({ loopDelayMs: 150 }, 60)).toBeNull()
})

test('one long stop is none', () => {
  const { at } = watched()
  expect(at({ loopDelayMs: 30_000 })).toBeNull()
  expect(at({}, 20)).toBeNull()
})

test('memory: over its limit, until it is well under it', () => {
  const { at } = watched()
  expect(at({ rssBytes: 1000, heldBytes: 900 })).toBeNull()
  expect(at({ rssBytes: 1001, heldBytes: 900 })).toContain('ceilings.memory in weir.yaml')
  expect(at({ rssBytes: 950, heldBytes: 900 })).not.toBeNull()
  expect(at({ rssBytes: 899, heldBytes: 850 })).toBeNull()
})

test('memory that is free inside of the process is no reason, however much the system counts', () => {
  const { at } = watched()
  expect(at({ rssBytes: 2000, heldBytes: 599 }, 60)).toBeNull()
  expect(at({ rssBytes: 2000, heldBytes: 700 })).not.toBeNull()
  expect(at({ rssBytes: 2000, heldBytes: 599 })).toBeNull()
})

test('the heap: from 90 % of its limit to under 80 %', () => {
  const { at } = watched()
  expect(at({ heapBytes: 900 })).toBeNull()
  expect(at({ heapBytes: 901 })).toContain('--max-old-space-size')
  expect(at({ heapBytes: 800 })).not.toBeNull()
  expect(at({ heapBytes: 799 })).toBeNull()
})

test('this process, as it is, is well; closed, it is not looked at any more', () => {
  const overload = watchOverload({ limits: () => ({ loopDelayMs: 60_000, memoryBytes: Infinity }), now: () => performance.now() })
  vi.advanceTimersByTime(3000)
  expect(overload.reason()).toBeNull()
  overload.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('a share of what there is, or a size', () => {
  expect(memoryCeilingBytes({ percent: 75 }, () => 1000)).toBe(750)
  expect(memoryCeilingBytes({ bytes: 12 }, () => 1000)).toBe(12)
  expect(memoryCeilingBytes({ percent: 50 })).toBeGreaterThan(64 * 1024 ** 2)
})
