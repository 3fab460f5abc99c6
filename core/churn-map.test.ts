import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChurnMap } from './churn-map.js'

test('holds what a Map would hold', () => {
  const key = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor', '1'), fc.string({ maxLength: 2 }))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), key, fc.nat())), (steps) => {
      const map = new ChurnMap<number>()
      const model = new Map<string, number>()
      for (const [sets, name, value] of steps) {
        if (sets) {
          map.set(name, value)
          model.set(name, value)
        } else expect(map.delete(name)).toBe(model.delete(name))
        expect(map.has(name)).toBe(model.has(name))
        expect(map.size).toBe(model.size)
      }
      expect(new Map(map)).toEqual(model)
    }),
  )
})
