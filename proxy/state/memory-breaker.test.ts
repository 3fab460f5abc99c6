import { expect, test } from 'vitest'
import { defaultTenant, type TenantId } from '../../core/tenant.js'
import type { CircuitState, Health } from './breaker-store.js'
import { openMemoryBreaker } from './memory-breaker.js'

const open = () => {
  let now = 1_000_000
  const store = openMemoryBreaker(() => now)
  return {
    store,
    pass: (ms: number) => void (now += ms),
    note: (health: Health, times = 1, circuit = 'a') => {
      for (let i = 0; i < times; i++) store.note(defaultTenant, circuit, health)
    },
    state: async (circuit = 'a', tenant: TenantId = defaultTenant): Promise<CircuitState | undefined> =>
      (await store.look(tenant, [circuit]))[0],
    probe: () => store.probe(defaultTenant, 'a'),
  }
}

test('five failures in a row open it for 30 s; a success between them begins anew', async () => {
  const { note, state, pass } = open()
  note('fails', 4)
  note('works')
  note('fails', 4)
  expect(await state()).toBe('closed')
  note('fails')
  expect(await state()).toBe('open')
  expect(await state('b')).toBe('closed')
  pass(29_999)
  expect(await state()).toBe('open')
  pass(1)
  expect(await state()).toBe('half')
})

test('half of at least ten within a minute open it', async () => {
  const { note, state } = open()
  for (let i = 0; i < 4; i++) {
    note('works')
    note('fails')
  }
  note('works')
  // 4 of 9, then 5 of 10.
  expect(await state()).toBe('closed')
  note('fails')
  expect(await state()).toBe('open')
  const later = open()
  for (let i = 0; i < 4; i++) {
    later.note('works')
    later.note('fails')
  }
  later.pass(70_000)
  later.note('works')
  later.note('fails')
  expect(await later.state()).toBe('closed')
})

test('one probe at a time; it closes the circuit, or opens it for twice as long, up to 300 s', async () => {
  const { note, state, pass, probe } = open()
  note('fails', 5)
  for (const openMs of [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
    pass(openMs - 1)
    expect(await state()).toBe('open')
    pass(1)
    expect(await state()).toBe('half')
    expect(await probe()).toBe(true)
    expect(await state()).toBe('open')
    expect(await probe()).toBe(false)
    note('fails')
  }
  pass(300_000)
  expect(await probe()).toBe(true)
  note('works')
  expect(await state()).toBe('closed')
  // And all begins anew.
  note('fails', 4)
  expect(await state()).toBe('closed')
  note('fails')
  pass(30_000)
  expect(await state()).toBe('half')
})

test('a probe nobody reports holds its place for a minute', async () => {
  const { note, pass, probe } = open()
  note('fails', 5)
  pass(30_000)
  expect(await probe()).toBe(true)
  pass(59_999)
  expect(await probe()).toBe(false)
  pass(1)
  expect(await probe()).toBe(true)
})

test('what a target asks for itself, at most a minute', async () => {
  const { note, state, pass } = open()
  note({ openMs: 0 })
  expect(await state()).toBe('closed')
  note({ openMs: 5000 })
  pass(4999)
  expect(await state()).toBe('open')
  pass(1)
  expect(await state()).toBe('half')
  note({ openMs: 1e9 })
  pass(60_000)
  expect(await state()).toBe('half')
})

test('failures of an open one, tried for want of another, change nothing; a success closes it', async () => {
  const { note, state, pass } = open()
  note('fails', 5)
  pass(10_000)
  note('fails', 20)
  pass(20_000)
  expect(await state()).toBe('half')
  note('works')
  expect(await state()).toBe('closed')
})

test('tenants have circuits of their own, and only those that are not closed are told of', async () => {
  const { store, note, state } = open()
  note('fails', 5)
  note('works', 1, 'b')
  expect(await state('a', 'other' as TenantId)).toBe('closed')
  expect([...store.standing()]).toEqual([{ tenant: defaultTenant, circuit: 'a', state: 'open' }])
})

test('ten thousand circuits, those used last', async () => {
  const { note, state } = open()
  note('fails', 5, 'first')
  note('fails', 5, 'second')
  for (let i = 0; i < 9998; i++) note('works', 1, `c${i}`)
  note('fails', 1, 'first')
  note('works', 1, 'one more')
  expect([await state('first'), await state('second')]).toEqual(['open', 'closed'])
})
