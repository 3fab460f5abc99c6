import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fits, levelOf, msUntil, settled, type Bucket } from './bucket.js'

const start = 1_700_000_000_000

describe('worked by hand', () => {
  test('two a minute: one runs in every 30 s', () => {
    const bucket: Bucket = { level: 0, rest: 0, at: start, quotaMicro: 2_000_000 }
    const at = (ms: number) => levelOf(bucket, 2_000_000, 60_000, start + ms)
    expect(at(29_999)).toEqual({ level: 999_966, rest: 40_000 }) // 29,999 x 2,000,000 / 60,000 = 999,966 2/3
    expect(at(30_000)).toEqual({ level: 1_000_000, rest: 0 })
    expect(at(60_000)).toEqual({ level: 2_000_000, rest: 0 })
    expect(at(1e12)).toEqual({ level: 2_000_000, rest: 0 })
    expect(msUntil(at(0), 1_000_000, 2_000_000, 60_000)).toBe(30_000)
    expect(msUntil(at(29_999), 1_000_000, 2_000_000, 60_000)).toBe(1)
  })

  test('a clock that goes back adds nothing and takes nothing', () => {
    const bucket: Bucket = { level: 5, rest: 1, at: start, quotaMicro: 10 }
    expect(levelOf(bucket, 10, 1000, start - 1e9)).toEqual({ level: 5, rest: 1 })
  })

  test('another quota keeps the level, as far as it reaches', () => {
    const bucket: Bucket = { level: 3_000_000, rest: 0, at: start, quotaMicro: 10_000_000 }
    expect(levelOf(bucket, 100_000_000, 60_000, start).level).toBe(3_000_000)
    expect(levelOf(bucket, 2_000_000, 60_000, start).level).toBe(2_000_000)
    expect(levelOf({ ...bucket, level: -8_000_000 }, 2_000_000, 60_000, start).level).toBe(-2_000_000)
    expect(levelOf({ ...bucket, level: 10_000_000 }, 100_000_000, 60_000, start).level).toBe(100_000_000)
  })

  test('nothing comes out of no quota', () => {
    expect(fits({ level: 0, rest: 0 }, 0, 0)).toBe(false)
    expect(msUntil({ level: 0, rest: 0 }, 0, 0, 60_000)).toBe(60_000)
  })

  test('a debt of one quota is the most', () => {
    expect(settled({ level: 1, rest: 5 }, -50, 10)).toEqual({ level: -10, rest: 0 })
    expect(settled({ level: 1, rest: 5 }, 50, 10)).toEqual({ level: 10, rest: 0 })
    expect(settled({ level: 1, rest: 5 }, 3, 10)).toEqual({ level: 4, rest: 5 })
  })
})

/** The same with integers of any size: level x window, which grows by the quota every millisecond. */
class Slow {
  #amount: bigint
  #at: number
  constructor(
    readonly quota: bigint,
    readonly window: bigint,
    at: number,
  ) {
    this.#amount = quota * window
    this.#at = at
  }
  at(now: number): bigint {
    const top = this.quota * this.window
    const grown = this.#amount + this.quota * BigInt(Math.max(0, now - this.#at))
    return grown > top ? top : grown
  }
  put(amount: bigint, now: number): void {
    const top = this.quota * this.window
    this.#amount = amount > top ? top : amount < -top ? -top : amount
    this.#at = Math.max(now, this.#at)
  }
}

test('exactly as with integers of any size, over any number of steps', () => {
  const quota = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 999_999_999_999_999 }))
  const window = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 31_536_000 })).map((s) => s * 1000)
  const step = fc.record({
    // Parts of the window, so that waits are neither all nothing nor all of it; and single milliseconds.
    wait: fc.oneof(fc.double({ min: 0, max: 0.3, noNaN: true }), fc.integer({ min: 1, max: 50 })),
    cost: fc.double({ min: 0, max: 1, noNaN: true }),
    settle: fc.option(fc.double({ min: -2, max: 1, noNaN: true }), { nil: null, freq: 3 }),
  })
  fc.assert(
    fc.property(quota, window, fc.array(step, { maxLength: 60 }), (quotaMicro, windowMs, steps) => {
      const slow = new Slow(BigInt(quotaMicro), BigInt(windowMs), start)
      let bucket: Bucket | undefined
      let now = start
      for (const { wait, cost, settle } of steps) {
        now += Number.isInteger(wait) ? wait : Math.floor(wait * windowMs)
        const level = levelOf(bucket, quotaMicro, windowMs, now)
        const amount = slow.at(now)
        expect(BigInt(level.level) * BigInt(windowMs) + BigInt(level.rest)).toBe(amount)
        const costMicro = Math.floor(cost * quotaMicro)
        const wanted = BigInt(costMicro) * BigInt(windowMs)
        const passes = amount >= wanted
        expect(fits(level, costMicro, quotaMicro)).toBe(passes)
        const ms = msUntil(level, costMicro, quotaMicro, windowMs)
        expect(slow.at(now + ms) >= wanted).toBe(true)
        if (ms > 0) expect(slow.at(now + ms - 1) >= wanted).toBe(false)
        if (passes) {
          bucket = { level: level.level - costMicro, rest: level.rest, at: now, quotaMicro }
          slow.put(amount - wanted, now)
        }
        if (settle === null) continue
        const change = Math.floor(settle * quotaMicro)
        const after = settled(levelOf(bucket, quotaMicro, windowMs, now), change, quotaMicro)
        // What falls below the lowest loses its rest with it, as the slow one does.
        bucket = { ...after, at: now, quotaMicro }
        slow.put(slow.at(now) + BigInt(change) * BigInt(windowMs), now)
      }
    }),
  )
})
