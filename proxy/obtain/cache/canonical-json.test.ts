import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalBy } from './canonical-json.js'

const canonical = canonicalBy([])
const read = (text: string): string | null => canonical(Buffer.from(text))
/** What it says in text, of bytes. */
const told = (text: string | null): string | null => (text === null ? null : Buffer.from(text, 'latin1').toString())

describe('one way to write what means the same', () => {
  test.each([
    ['order and white space', ' {\t"b" : [1 , 2 ],\r\n "a":{ } } ', '{"a":{},"b":[1,2]}'],
    ['strings by value', '{"a":"\\u0041\\/\\u00e9\\n"}', '{"a":"A/é\\n"}'],
    ['names by value', '{"\\u0062":1,"a":2}', '{"a":2,"b":1}'],
    ['numbers by their text', '[1,1.0,1e2,-0,12345678901234567890]', '[1,1.0,1e2,-0,12345678901234567890]'],
    ['words', '[true,false,null]', '[true,false,null]'],
    ['lone surrogates', '["\\ud800"]', '["\\ud800"]'],
    ['a quote behind backslashes', '["a\\\\","\\\\\\"b"]', '["a\\\\","\\\\\\"b"]'],
    // RFC 8785 §3.2.3: UTF-16 code units, in which U+1F600 begins with D83D and comes before U+FB33.
    [
      'order of names',
      '{"\\ufb33":1,"\\ud83d\\ude00":2,"€":3,"1":4,"\\r":5,"ö":6}',
      '{"\\r":5,"1":4,"ö":6,"€":3,"\u{1F600}":2,"\uFB33":1}',
    ],
    ['no object', '"x"', '"x"'],
  ])('%s', (_, text, wanted) => expect(told(read(text))).toBe(wanted))

  test.each([
    [
      '',
      '{',
      '{"a"}',
      '{"a":1,}',
      '[1,]',
      '[01]',
      '[1.]',
      '[.5]',
      '[+1]',
      '[NaN]',
      "{'a':1}",
      '{"a":1}x',
      '"\n"',
      '"\\x"',
      '"\\u12"',
      'tru',
      '\ufeff{}',
      '"',
      '"\\"',
      '{"a":1"b":2}',
      '{a:1}',
    ],
  ])('what is no JSON is taken by its bytes', (...texts) => {
    for (const text of texts) expect([text, read(text)]).toEqual([text, null])
  })

  test('a name that stands twice, however it is written, is taken by its bytes', () => {
    expect(read('{"a":1,"a":2}')).toBeNull()
    expect(read('{"a":1,"\\u0061":2}')).toBeNull()
    expect(read('{"x":[{"a":1,"a":1}]}')).toBeNull()
    expect(told(read('{"a":1,"b":{"a":1}}'))).toBe('{"a":1,"b":{"a":1}}')
  })

  test('bytes that are no UTF-8, and what is deeper than 200, are taken by their bytes', () => {
    expect(canonical(Buffer.from('"\xff\\n"', 'latin1'))).toBeNull()
    expect(read('['.repeat(200) + ']'.repeat(200))).not.toBeNull()
    expect(read('['.repeat(201) + ']'.repeat(201))).toBeNull()
    expect(read('['.repeat(1_000_000))).toBeNull()
  })

  test('made-up values: equal however they are written, different where they differ', () => {
    const shuffled = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(shuffled)
        : value !== null && typeof value === 'object'
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, inner]) => [key, shuffled(inner)]),
            )
          : value
    const escaped = (text: string): string =>
      text.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.jsonValue({ maxDepth: 3 }), (value, other) => {
        const one = read(JSON.stringify(value))
        expect(one).not.toBeNull()
        expect(read(escaped(JSON.stringify(shuffled(value), null, 2)))).toBe(one)
        expect(JSON.parse(told(one) ?? '')).toEqual(JSON.parse(JSON.stringify(value)))
        const same =
          JSON.stringify(JSON.parse(told(one) ?? '')) === JSON.stringify(JSON.parse(told(read(JSON.stringify(other))) ?? ''))
        expect(read(JSON.stringify(other)) === one).toBe(same)
      }),
      { numRuns: 1000 },
    )
  })

  test('made-up text never throws, and is JSON exactly when it is', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '1',
      '-',
      '.',
      'e',
      'true',
      'null',
      ' ',
      'a',
      'é',
      '\\u0041',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        let isJson = true
        try {
          JSON.parse(text)
        } catch {
          isJson = false
        }
        // Names that stand twice are JSON, and are taken by their bytes.
        if (!isJson) expect(read(text)).toBeNull()
        else if (!text.includes('{')) expect(read(text)).not.toBeNull()
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('what is left out', () => {
  const without = (...paths: string[]) => {
    const reader = canonicalBy(paths.map((path) => path.split('.')))
    return (text: string) => told(reader(Buffer.from(text)))
  }
  test('members, at any depth, in every element of an array', () => {
    expect(without('a', 'b.c')('{"a":1,"b":{"c":2,"d":3},"e":4}')).toBe('{"b":{"d":3},"e":4}')
    expect(without('m.*.id')('{"m":[{"id":1,"x":2},{"id":3},5],"id":6}')).toBe('{"id":6,"m":[{"x":2},{},5]}')
    expect(without('m.*')('{"m":[1,2]}')).toBe('{"m":[]}')
    expect(without('a', 'a.b')('{"a":{"b":1}}')).toBe('{}')
  })
  test('what is not there, or is something else, does no harm', () => {
    expect(without('a.b.c', '__proto__', 'm.*.id')('{"a":1,"m":{"id":1}}')).toBe('{"a":1,"m":{"id":1}}')
    expect(without('a')('{"a":1,"a":2}')).toBeNull()
  })
})
