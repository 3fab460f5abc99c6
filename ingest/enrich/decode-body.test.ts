import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { eventFrame } from '../../core/providers/framing/event-frames.js'
import { storedZstd } from '../../core/providers/framing/stored-zstd.js'
import { bodyText, cutMark } from './decode-body.js'

const said = (text: string): Buffer => eventFrame('contentBlockDelta', { delta: { text } })
const told = (text: string): string => `event: contentBlockDelta\ndata: {"delta":{"text":"${text}"}}\n\n`

test('frames of an AWS event stream are readable, whole, encoded or cut', () => {
  const bytes = Buffer.concat([said('a'), said('Zoë')])
  expect(bodyText({ bytes, encoding: null, truncated: false }, bytes.length)).toEqual({
    state: 'stored',
    text: told('a') + told('Zoë'),
  })
  expect(bodyText({ bytes: gzipSync(bytes), encoding: 'gzip', truncated: false }, 60)).toEqual({
    state: 'stored',
    text: told('a') + told('Zoë'),
  })
  // The client left inside of the second frame: what came of it has no checksum.
  const cut = bytes.subarray(0, bytes.length - 3)
  expect(bodyText({ bytes: cut, encoding: null, truncated: false }, cut.length)).toEqual({ state: 'stored', text: told('a') })
})

test('of frames whose middle was not stored, those that are whole on both sides', () => {
  const frame = said('abc')
  // Of twelve frames 8.5 and 2.5 were kept; of these 11 the first 3/4 are 8.25: eight whole frames, and two behind the cut.
  const bytes = Buffer.concat(Array.from({ length: 12 }, () => frame))
  const kept = Buffer.concat([bytes.subarray(0, 8.5 * frame.length), bytes.subarray(9.5 * frame.length)])
  const { state, text } = bodyText({ bytes: kept, encoding: null, truncated: true }, 10 * bytes.length)
  const [head = '', tail = ''] = text.split(cutMark)
  expect(state).toBe('truncated')
  expect(head).toBe(told('abc').repeat(8))
  expect(tail).toBe(told('abc').repeat(2))
})

test('zstd: whole, wrongly labelled, and a bomb of the size of a stored body', () => {
  const bodyOf = (bytes: Buffer): ReturnType<typeof bodyText> =>
    bodyText({ bytes, encoding: 'zstd', truncated: false }, bytes.length)
  expect(bodyOf(storedZstd(Buffer.from('{"a":"Zoë"}')))).toEqual({ state: 'stored', text: '{"a":"Zoë"}' })
  expect(bodyOf(Buffer.from('[{"a":1}]'))).toEqual({ state: 'stored', text: '[{"a":1}]' })
  // A window of 1 MiB, then blocks of four bytes that stand for 128 KiB each: 32 GiB in all.
  const block = Buffer.from([2, 0, 0x10, 0])
  const bomb = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]), ...Array.from({ length: 262_000 }, () => block)])
  expect(bodyOf(bomb)).toEqual({ state: 'undecodable', text: '' })
})
