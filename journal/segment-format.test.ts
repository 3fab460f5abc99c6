import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import {
  decodeSegmentHead,
  encodeSegmentHead,
  isWriterName,
  maxPayloadBytes,
  offsetOf,
  positionOf,
  segmentName,
  segmentNumber,
  segmentOf,
  visitRecords,
  writeRecordHead,
} from './segment-format.js'

const writer = '0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'

test('the header stands as storage.md draws it', () => {
  const head = encodeSegmentHead({ writer, number: 7, createdMs: 0x0102030405 })
  expect(head.toString('hex')).toBe(
    Buffer.from('WEIRSEG1').toString('hex') +
      '0193a1b2c3d47e5f8a9b0c1d2e3f4a5b' +
      '0700000000000000' +
      '0504030201000000' +
      '00000000' +
      head.subarray(44).toString('hex'),
  )
  expect(head.readUInt32LE(44)).toBe(crc32(head.subarray(0, 44)))
  expect(decodeSegmentHead(head)).toEqual({ writer, number: 7, createdMs: 0x0102030405 })
})

test('no flipped bit of a header is accepted', () => {
  for (let bit = 0; bit < 48 * 8; bit++) {
    const head = encodeSegmentHead({ writer, number: 7, createdMs: 1 })
    head[bit >> 3] = (head[bit >> 3] as number) ^ (1 << (bit & 7))
    expect(decodeSegmentHead(head)).toBeNull()
  }
  expect(decodeSegmentHead(Buffer.alloc(47))).toBeNull()
})

const record = (type: 'start' | 'end', text: string, flags: 0 | 1 = 0): Buffer => {
  const payload = [Buffer.from(text.slice(0, 2)), Buffer.from(text.slice(2))]
  const head = Buffer.alloc(12)
  writeRecordHead(head, 0, { type, flags, payload, length: text.length })
  return Buffer.concat([head, ...payload])
}

test('a record: length, checksum of all that follows, type, flags, payload in its pieces', () => {
  const bytes = record('end', 'hello', 1)
  expect(bytes.toString('hex')).toBe('05000000' + bytes.toString('hex', 4, 8) + '02010000' + Buffer.from('hello').toString('hex'))
  expect(bytes.readUInt32LE(4)).toBe(crc32(Buffer.from([2, 1, 0, 0, ...Buffer.from('hello')])))
})

test('an empty piece, with memory or without, does not change the checksum', () => {
  const pieces = [Buffer.from('he'), new Uint8Array(new ArrayBuffer(0)), Buffer.alloc(0), Buffer.from('llo')]
  const head = Buffer.alloc(12)
  writeRecordHead(head, 0, { type: 'end', flags: 0, payload: pieces, length: 5 })
  expect(head.equals(record('end', 'hello').subarray(0, 12))).toBe(true)
})

test('whole records are visited until one is not whole', () => {
  const block = Buffer.concat([record('start', 'one'), record('end', 'two and'), record('end', 'three')])
  const seen: [number, number, string][] = []
  const visit = (one: { at: number; next: number; payload: Buffer }): boolean =>
    seen.push([one.at, one.next, one.payload.toString()]) > 0
  expect(visitRecords(block, 0, visit)).toMatchObject({ why: 'end', at: 51 })
  expect(seen).toEqual([
    [0, 15, 'one'],
    [15, 34, 'two and'],
    [34, 51, 'three'],
  ])
  expect(visitRecords(block.subarray(0, 50), 0, () => true)).toEqual({ why: 'short', at: 34, needs: 17 })
  expect(visitRecords(block.subarray(0, 37), 0, () => true)).toEqual({ why: 'short', at: 34, needs: 12 })
  expect(visitRecords(block, 0, () => false)).toMatchObject({ why: 'enough', at: 15 })
  block[20] = (block[20] as number) ^ 1
  expect(visitRecords(block, 0, () => true)).toMatchObject({ why: 'bad', at: 15 })
})

test('a length over the limit is never believed, and zeros are not a record', () => {
  const huge = Buffer.alloc(12)
  huge.writeUInt32LE(maxPayloadBytes + 1)
  expect(visitRecords(huge, 0, () => true)).toMatchObject({ why: 'bad', at: 0 })
  expect(visitRecords(Buffer.alloc(64), 0, () => true)).toMatchObject({ why: 'bad', at: 0 })
})

test('names and positions', () => {
  expect(segmentName(12)).toBe('0000000012.seg')
  expect(['0000000012.seg', '12.seg', '0000000012.seg.draft', 'lock.1'].map(segmentNumber)).toEqual([12, null, null, null])
  expect([writer, 'consumer', 'damaged', `.going-${writer}`].map(isWriterName)).toEqual([true, false, false, false])
  const at = positionOf(3, 48)
  expect(at).toBe(12_884_901_936)
  expect([segmentOf(at), offsetOf(at)]).toEqual([3, 48])
})
