import { expect, test } from 'vitest'
import { columns, columnsFrom, columnsParam, defaultColumns, sortAfter, sortFrom } from './columns.js'

const keys = (text: string | null) => columnsFrom(text).map(({ key }) => key)

test('the default columns exist and need no parameter', () => {
  expect(keys(null)).toEqual(defaultColumns)
  expect(columnsParam(defaultColumns)).toBeNull()
  expect(new Set(columns.map(({ key }) => key)).size).toBe(columns.length)
})

test('chosen columns and properties survive the way there and back, in the order of the table', () => {
  const param = columnsParam(['prop.a,b%', 'cost', 'time'])
  expect(param).toBe('time,cost,prop.a%2Cb%25')
  expect(keys(param)).toEqual(['time', 'cost', 'prop.a,b%'])
})

test('an old or broken link still shows a table', () => {
  expect(keys('time,nonsense,time')).toEqual(['time'])
  expect(keys('nonsense')).toEqual(defaultColumns)
  expect(keys('')).toEqual(defaultColumns)
})

test('order', () => {
  expect(sortFrom(null)).toBe('-at')
  expect(sortFrom('cost')).toBe('cost')
  expect(sortFrom('drop table')).toBe('-at')
  expect(sortAfter('-at', 'cost')).toBe('-cost')
  expect(sortAfter('-cost', 'cost')).toBe('cost')
  expect(sortAfter('cost', 'cost')).toBe('-cost')
})
