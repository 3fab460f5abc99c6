import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotSet } from './slot-set.js'

test('holds what a Set would hold, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
      const members = Array.from({ length: 10 }, (_, name) => ({ name, slot: -1 }))
      const set = new SlotSet<(typeof members)[number]>()
      const model = new Set<number>()
      for (const [adds, name] of steps) {
        const member = members[name]!
        if (adds && !model.has(name)) {
          set.add(member)
          model.add(name)
        } else if (!adds) {
          set.delete(member)
          model.delete(name)
        }
        expect(set.size).toBe(model.size)
      }
      expect(
        set
          .all()
          .map(({ name }) => name)
          .sort(),
      ).toEqual([...model].sort())
    }),
  )
})
