import fc from 'fast-check'
import { expect, test } from 'vitest'
import { spliceString } from './json-splice.js'

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
