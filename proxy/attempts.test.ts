import { expect, test } from 'vitest'
import { quoted } from './attempts.js'

test('a target has a name that fits a header, whatever the model in it is called', () => {
  expect(quoted('openai/gpt-5-mini')).toBe('"openai/gpt-5-mini"')
  expect(quoted('openai/say "hi"')).toBe('"openai/say%20%22hi%22"')
  expect(quoted('openai/müller')).toBe('"openai/m%C3%BCller"')
  expect(quoted('openai/a\r\nb')).toBe('"openai/a%0D%0Ab"')
  expect(quoted('openai/\ud800')).toBe('"openai/%EF%BF%BD"')
  expect(quoted(`openai/${'x'.repeat(20_000)}`)).toHaveLength(258)
})
