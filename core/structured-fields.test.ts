import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDictionary, parseItem, parseList, StructuredFieldError } from './structured-fields.js'

const fault = (read: () => unknown): { at: number; message: string } => {
  try {
    read()
  } catch (cause) {
    if (cause instanceof StructuredFieldError) return { at: cause.at, message: cause.message }
    throw cause
  }
  throw new Error('It was taken.')
}

describe('items', () => {
  test.each([
    ['42', 'integer', 42],
    ['-0', 'integer', -0],
    ['00', 'integer', 0],
    ['999999999999999', 'integer', 999_999_999_999_999],
    ['4.5', 'decimal', 4.5],
    ['-999999999999.999', 'decimal', -999_999_999_999.999],
    ['"a \\"b\\" \\\\c"', 'string', 'a "b" \\c'],
    ['""', 'string', ''],
    ['openai/gpt-5', 'token', 'openai/gpt-5'],
    ["*a!#$%&'*+.^_`|~:/", 'token', "*a!#$%&'*+.^_`|~:/"],
    ['?1', 'boolean', true],
    ['?0', 'boolean', false],
    ['@1659578233', 'date', 1_659_578_233],
    ['@-5', 'date', -5],
    ['%"f%c3%bc%c3%bc"', 'display', 'füü'],
    ['  a  ', 'token', 'a'],
  ])('%s', (text, type, value) => {
    expect(parseItem(text)).toMatchObject({ type, value })
  })

  test.each([
    [':aGVsbG8=:', 'hello'],
    [':aGVsbG8:', 'hello'],
    ['::', ''],
  ])('bytes %s', (text, value) => {
    const item = parseItem(text)
    expect(item.type).toBe('bytes')
    expect(Buffer.from(item.value as Uint8Array).toString()).toBe(value)
  })

  test('parameters', () => {
    const item = parseItem('a;b;  c=2;d="x;y";b=?0')
    expect(item.at).toBe(1)
    expect([...item.params]).toEqual([
      ['b', { type: 'boolean', value: false, at: 19 }],
      ['c', { type: 'integer', value: 2, at: 7 }],
      ['d', { type: 'string', value: 'x;y', at: 11 }],
    ])
  })

  test.each([
    // [field, character at fault, what is said]
    ['', 1, 'missing'],
    ['   ', 4, 'missing'],
    ['a b', 3, 'nothing may follow'],
    ['a\t', 2, 'nothing may follow'],
    ['a;', 3, 'a name of'],
    ['a;B', 3, 'a name of'],
    ['a ;b', 3, 'nothing may follow'],
    ['a;b=', 5, 'missing'],
    ['a;b= 1', 5, 'cannot begin'],
    ['a;b=(1)', 5, 'cannot begin'],
    ['(a b)', 1, 'inner list'],
    ['-', 2, 'digit'],
    ['--1', 2, 'digit'],
    ['1.', 1, 'behind the point'],
    ['1.2345', 1, 'behind the point'],
    ['1234567890123456', 1, 'too long'],
    ['1234567890123.1', 1, 'too long'],
    ['.5', 1, 'cannot begin'],
    ['+5', 1, 'cannot begin'],
    ['1e3', 2, 'nothing may follow'],
    ['"abc', 1, 'does not end'],
    ['"a\\n"', 4, 'behind \\'],
    ['"a\\', 4, 'behind \\'],
    ['"ä"', 2, 'ASCII'],
    ['"a\tb"', 3, 'ASCII'],
    ['ä', 1, 'cannot begin'],
    ['?2', 1, '?0 or ?1'],
    ['?', 1, '?0 or ?1'],
    [':aGVs', 1, 'colons'],
    [':a b:', 3, 'colons'],
    [':a:', 1, 'not base64'],
    [':a=b=:', 1, 'not base64'],
    ['@1.5', 1, 'whole number'],
    ['@', 2, 'digit'],
    ['%a', 1, 'begins with %"'],
    ['%"%C3"', 3, 'hex'],
    ['%"%c3"', 1, 'UTF-8'],
    ['%"a', 1, 'does not end'],
  ])('refused: %s', (text, at, message) => {
    const found = fault(() => parseItem(text))
    expect(found.message).toContain(message)
    expect(found.at).toBe(at)
  })
})

describe('lists', () => {
  test('targets with parameters', () => {
    const items = parseList('openai/gpt-5-mini;ttft=3000, anthropic/claude-sonnet-4-6;retries=1,\t"@azure-eu";on="429 5xx"')
    expect(items.map(({ type, value, at }) => [type, value, at])).toEqual([
      ['token', 'openai/gpt-5-mini', 1],
      ['token', 'anthropic/claude-sonnet-4-6', 30],
      ['string', '@azure-eu', 69],
    ])
    expect(items[2]?.params.get('on')).toMatchObject({ type: 'string', value: '429 5xx' })
  })

  test('an empty field is an empty list', () => {
    expect(parseList('')).toEqual([])
    expect(parseList('  ')).toEqual([])
  })

  test.each([
    ['a,', 3, 'follow the comma'],
    ['a, ', 4, 'follow the comma'],
    ['a,,b', 3, 'cannot begin'],
    [',a', 1, 'cannot begin'],
    ['a b', 3, 'comma or the end'],
    ['a, (b c)', 4, 'inner list'],
    ['a;x=1.2345', 5, 'behind the point'],
  ])('refused: %s', (text, at, message) => {
    const found = fault(() => parseList(text))
    expect(found.message).toContain(message)
    expect(found.at).toBe(at)
  })
})

describe('dictionaries', () => {
  test('members, flags, parameters; a repeated name keeps its place and gets the last value', () => {
    const members = parseDictionary('total=1000, a;p=1 , total=2,b=?0')
    expect([...members.keys()]).toEqual(['total', 'a', 'b'])
    expect(members.get('total')).toMatchObject({ type: 'integer', value: 2, at: 27 })
    expect(members.get('a')).toMatchObject({ type: 'boolean', value: true })
    expect(members.get('a')?.params.get('p')).toMatchObject({ value: 1 })
  })

  test('an empty field has no members', () => {
    expect(parseDictionary('').size).toBe(0)
  })

  test.each([
    ['Total=1', 1, 'a name of'],
    ['total:1', 6, 'comma or the end'],
    ['total=', 7, 'missing'],
    ['total =1', 7, 'comma or the end'],
    ['a=1,', 5, 'follow the comma'],
    ['a=(1 2)', 3, 'inner list'],
  ])('refused: %s', (text, at, message) => {
    const found = fault(() => parseDictionary(text))
    expect(found.message).toContain(message)
    expect(found.at).toBe(at)
  })
})

test('whatever is sent is read or refused with a place inside of it', () => {
  const piece = fc.constantFrom(
    'a',
    ';',
    '=',
    ',',
    ' ',
    '\t',
    '"',
    '\\',
    '1',
    '.',
    '-',
    '?1',
    ':',
    '@',
    '%"',
    '%c3',
    '(',
    ')',
    'é',
    '*',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
      ),
      (text) => {
        for (const read of [parseItem, parseList, parseDictionary])
          try {
            read(text)
          } catch (cause) {
            expect(cause).toBeInstanceOf(StructuredFieldError)
            const { at } = cause as StructuredFieldError
            expect(at).toBeGreaterThanOrEqual(1)
            expect(at).toBeLessThanOrEqual(text.length + 1)
          }
      },
    ),
  )
})

test('every string and decimal that can be written is read as it was meant', () => {
  const ascii = fc.array(fc.integer({ min: 0x20, max: 0x7e }), { maxLength: 30 }).map((codes) => String.fromCharCode(...codes))
  fc.assert(
    fc.property(ascii, fc.integer({ min: -999_999, max: 999_999 }), (text, thousandths) => {
      const field = `"${text.replaceAll(/["\\]/g, '\\$&')}";n=${(thousandths / 1000).toFixed(3)}`
      const item = parseItem(field)
      expect(item).toMatchObject({ type: 'string', value: text })
      expect(item.params.get('n')).toMatchObject({ type: 'decimal', value: thousandths / 1000 })
    }),
  )
})
