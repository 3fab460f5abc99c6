import { expect, test } from 'vitest'
import { defaultTenant } from '../../core/tenant.js'
import type { CircuitState, Health } from './breaker-store.js'
import { openMemoryBreaker } from './memory-breaker.js'

const open = () => {
  const store = openMemoryBreaker(() => 1_000_000)
  return {
    note: (health: Health, times: number, circuit: string): void => {
      for (let i = 0; i < times; i++) store.note(defaultTenant, circuit, health)
    },
    state: async (circuit: string): Promise<CircuitState | undefined> => (await store.look(defaultTenant, [circuit]))[0],
  }
}

test('ten thousand circuits, those used last', async () => {
  const { note, state } = open()
  note('fails', 5, 'first')
  note('fails', 5, 'second')
  for (let i = 0; i < 9998; i++) note('works', 1, `c${i}`)
  note('fails', 1, 'first')
  note('works', 1, 'one more')
  expect([await state('first'), await state('second')]).toEqual(['open', 'closed'])
})
