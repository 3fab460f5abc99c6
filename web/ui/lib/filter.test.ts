import { expect, test } from 'vitest'
import { chipOf, failed, faultIn, is, joined, narrowed, partsOf, without } from './filter.js'

test('a part with or inside stays one chip', () => {
  const parts = partsOf('provider = openai and (status >= 500 or outcome = stall)')
  expect(parts).toHaveLength(2)
  expect(parts.map(chipOf)).toEqual([
    { field: 'provider', op: '=', value: 'openai' },
    { field: '', op: '', value: 'status >= 500 or outcome = stall' },
  ])
})

test('a click narrows; a click on another value of the same field takes its place', () => {
  const once = narrowed('status >= 400', is('model', 'gpt-5'))
  expect(once).toBe('status >= 400 and model = gpt-5')
  expect(narrowed(once, is('model', 'o3'))).toBe('status >= 400 and model = o3')
  expect(narrowed(once, is('prop.feature', 'search'))).toBe('status >= 400 and model = gpt-5 and prop.feature = search')
})

test('two properties with different keys stand beside each other', () => {
  expect(narrowed('prop.team = a', is('prop.feature', 'b'))).toBe('prop.team = a and prop.feature = b')
})

test('an or-filter is kept whole when it is narrowed', () => {
  expect(narrowed('model = a or model = b', is('user_id', 'ada'))).toBe('(model = a or model = b) and user_id = ada')
})

test('hostile values come back as they were', () => {
  for (const value of [`" or user_id != "`, `it's`, '<img src=x onerror=alert(1)>', '', ' and ', '名前 🦊']) {
    const [part] = partsOf(narrowed('', is('user_id', value)))
    expect(part).toEqual(is('user_id', value))
  }
})

test('taking parts out until nothing is left', () => {
  const text = 'model = a and status >= 400'
  expect(without(text, 0)).toBe('status >= 400')
  expect(without('status >= 400', 0)).toBe('')
  expect(joined([])).toBe('')
})

test('not set and not known can be seen', () => {
  expect(chipOf(failed)).toEqual({ field: 'error_kind', op: 'is set', value: '' })
  expect(partsOf('user_id = "" and cost = null and user_id in ("", a)').map(chipOf)).toEqual([
    { field: 'user_id', op: 'is not set', value: '' },
    { field: 'cost', op: 'is not known', value: '' },
    { field: 'user_id', op: 'in', value: '(not set), a' },
  ])
})

test('a filter that cannot be read says why, and is not carried along', () => {
  expect(faultIn('modl = x')).toContain('Did you mean model?')
  expect(faultIn('model = x')).toBeNull()
  expect(narrowed('modl = x', failed)).toBe('error_kind != ""')
})
