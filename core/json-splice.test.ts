import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { membersOf, spliceString } from './json-splice.js'

const splice = (text: string): string | undefined => spliceString(Buffer.from(text), 'model', 'm"2')?.toString()

test('only the value changes', () => {
  expect(splice('{ "seed": 12345678901234567890,\n "model" : "openai/m1" , "x":1e400}')).toBe(
    '{ "seed": 12345678901234567890,\n "model" : "m\\"2" , "x":1e400}',
  )
})

test('a member of that name further in is left alone, as is a string that looks like one', () => {
  expect(splice('{"a":{"model":"x"},"b":["model","y"],"c":"\\"model\\":\\"z\\"","model":"m"}')).toBe(
    '{"a":{"model":"x"},"b":["model","y"],"c":"\\"model\\":\\"z\\"","model":"m\\"2"}',
  )
})

test('a repeated member: the last one, as JSON.parse has it', () => {
  expect(splice('{"model":"a","model":"b"}')).toBe('{"model":"a","model":"m\\"2"}')
})

test.each(['{"mod":"x"}', '{"model":5}', '[]', '', '{"model":"x'])('no such member: %s', (text) => {
  expect(splice(text)).toBeUndefined()
})

test('any object: the model is the new one, all else is as before', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.string(), fc.nat(3), (rest, from, to, indent) => {
      const before = { ...rest, model: from }
      const after = spliceString(Buffer.from(JSON.stringify(before, null, indent)), 'model', to)
      expect(JSON.parse(String(after))).toEqual(JSON.parse(JSON.stringify({ ...before, model: to })))
    }),
  )
})

describe('membersOf', () => {
  const found = (text: string, ...wanted: string[]): unknown => {
    const spans = membersOf(Buffer.from(text), wanted)
    if (spans === null) return null
    return Object.fromEntries([...spans.values].map(([key, { start, end }]) => [key, text.slice(start, end)]))
  }

  test('values of every kind, whatever space is around them', () => {
    const text = ' \t{ "a" : {"x":[1,{"b":2}],"s":"}]"} ,\r\n"b":[ "]" ],"c":-1.5e3,"d" : null, "e":"\\\\" ,"f":true}'
    expect(found(text, 'a', 'b', 'c', 'd', 'e', 'f')).toEqual({
      a: '{"x":[1,{"b":2}],"s":"}]"}',
      b: '[ "]" ]',
      c: '-1.5e3',
      d: 'null',
      e: '"\\\\"',
      f: 'true',
    })
  })

  test('a key written with escapes is that key; a value that looks like one is none', () => {
    expect(found('{"k\\u0065y":1,"x":"key","y":["key",2],"z":{"key":3}}', 'key')).toEqual({ key: '1' })
  })

  test('where the object ends, and whether anything is in it', () => {
    expect(membersOf(Buffer.from('{}'), [])).toMatchObject({ close: 1, isEmpty: true })
    expect(membersOf(Buffer.from(' { } '), [])).toMatchObject({ close: 3, isEmpty: true })
    expect(membersOf(Buffer.from('{"a":{}} x'), [])).toMatchObject({ close: 7, isEmpty: false })
    expect(membersOf(Buffer.from('{"o":{"i":1}}'), ['i'], 5)?.values.get('i')).toEqual({ start: 10, end: 11 })
  })

  test.each([
    '',
    '[]',
    '"a"',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{a:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{"a":[1}',
    '{"a":"',
    '{,}',
  ])('no whole object: %s', (text) => {
    expect(found(text, 'a')).toBeNull()
  })

  test('any object: each value is where JSON.parse sees it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.nat(3), (value, indent) => {
        const text = Buffer.from(JSON.stringify(value, null, indent))
        const spans = membersOf(text, Object.keys(value))
        expect(spans?.close).toBe(text.length - 1)
        for (const [key, { start, end }] of spans?.values ?? [])
          expect(JSON.parse(text.subarray(start, end).toString())).toEqual(JSON.parse(JSON.stringify(value[key])))
        expect(spans?.values.size).toBe(Object.keys(JSON.parse(text.toString()) as object).length)
      }),
    )
  })
})
