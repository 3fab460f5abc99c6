import { expect, test } from 'vitest'
import type { Fields } from '../../api/contract.js'
import { draftOf, draftOps, termOf, wantsValue } from './filter-builder.js'
import { joined, partsOf } from './filter.js'

const fields: Fields = {
  fields: [
    { name: 'model', type: 'text', operators: ['=', '!=', '~', '!~', 'in', 'not in'], values: [], meaning: '' },
    { name: 'cost', type: 'decimal', operators: ['=', '>'], values: [], meaning: '' },
    { name: 'status', type: 'number', operators: ['=', '>'], values: [], meaning: '' },
  ],
  properties: ['feature'],
}

test.each([
  'model = gpt-5',
  'model in (a, b)',
  'cost = null',
  'latency_ms != null',
  'prop.feature ~ sea',
  'status >= 500',
  'user_id = ""',
])('%s can be edited and comes back the same', (text) => {
  const [part] = partsOf(text)
  if (part === undefined) throw new Error('no part')
  const draft = draftOf(part)
  if (draft === null) throw new Error('no draft')
  expect(joined([termOf(draft)])).toBe(text)
})

test('what has no single term is edited as text', () => {
  expect(partsOf('model = a or model = b').map(draftOf)).toEqual([null])
  expect(partsOf('model in ("a,b", c)').map(draftOf)).toEqual([null])
})

test('operators on offer', () => {
  expect(draftOps(fields, 'model')).toEqual(['=', '!=', '~', '!~', 'in', 'not in'])
  expect(draftOps(fields, 'cost')).toEqual(['=', '>', 'not known', 'known'])
  expect(draftOps(fields, 'status')).toEqual(['=', '>'])
  expect(draftOps(fields, 'prop.feature')).toContain('~')
  expect(draftOps(null, 'model')).toEqual(['=', '!='])
  expect(wantsValue('known')).toBe(false)
  expect(wantsValue('=')).toBe(true)
})
