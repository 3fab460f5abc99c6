import { expect, test } from 'vitest'
import { unsnap } from './snappy.js'

const bytes = (...parts: readonly (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))))

// Worked out by hand from google/snappy's format_description.txt.
const literal = bytes([5], [4 << 2], 'weirs')
const copies = bytes([21], [2 << 2], 'abc', [((4 - 4) << 2) | 1, 3], [((14 - 1) << 2) | 2, 3, 0])
const longLiteral = bytes([0xc8, 0x01], [60 << 2, 199], 'x'.repeat(200))

test.each([
  ['a literal', literal, 'weirs'],
  ['copies that read what they write', copies, 'abcabcabcabcabcabcabc'],
  ['a literal whose length has a byte of its own', longLiteral, 'x'.repeat(200)],
  ['nothing', bytes([0]), ''],
])('%s', (_name, block, text) => {
  expect(unsnap(block).toString()).toBe(text)
})

test('the frames of the Java client', () => {
  const head = bytes([0x82], 'SNAPPY', [0], [0, 0, 0, 1], [0, 0, 0, 1])
  const frame = (block: Buffer) => bytes([0, 0, 0, block.length], [...block])
  expect(unsnap(Buffer.concat([head, frame(literal), frame(copies)])).toString()).toBe('weirsabcabcabcabcabcabcabc')
  expect(() => unsnap(Buffer.concat([head, frame(literal).subarray(0, 7)]))).toThrow(RangeError)
})

test.each([
  ['cut', literal.subarray(0, 4)],
  ['longer than it says', bytes([2], [4 << 2], 'weirs')],
  ['a copy from before the beginning', bytes([8], [2 << 2], 'abc', [(1 << 2) | 1, 9])],
  ['a length no block can have', bytes([0xff, 0xff, 0xff, 0xff, 0x0f], [0], 'a')],
  ['empty', Buffer.alloc(0)],
])('refused: %s', (_name, block) => {
  expect(() => unsnap(block)).toThrow(RangeError)
})
