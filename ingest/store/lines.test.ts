import { expect, test } from 'vitest'
import { createLines } from './lines.js'

test('a line leaves out defaults and keeps what is told: 0 is not NULL', () => {
  const lines = createLines()
  lines.push({
    id: 'a',
    tokens: 0,
    unknown: null,
    text: '',
    streaming: false,
    tags: [],
    properties: {},
    kept: [''],
    map: { k: '' },
  })
  expect(lines.slice(0, 1).toString()).toBe('{"id":"a","tokens":0,"kept":[""],"map":{"k":""}}\n')
})

test('records without a line, slices, more than the first memory, and a fresh start', () => {
  const lines = createLines()
  const long = '日'.repeat(200_000)
  lines.push({ n: 1 })
  lines.push(null)
  lines.push({ long })
  lines.push({ n: 4 })
  expect(lines.count).toBe(4)
  expect(lines.slice(0, 2).toString()).toBe('{"n":1}\n')
  expect(lines.slice(1, 2).length).toBe(0)
  expect(JSON.parse(lines.slice(2, 3).toString())).toEqual({ long })
  expect(lines.slice(3, 4).toString()).toBe('{"n":4}\n')
  expect(lines.slice(0, 4).length).toBe(lines.bytes)
  lines.clear()
  expect([lines.count, lines.bytes]).toEqual([0, 0])
  lines.push({ n: 5 })
  expect(lines.slice(0, 1).toString()).toBe('{"n":5}\n')
})
