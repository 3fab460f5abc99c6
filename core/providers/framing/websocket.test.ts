import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WebSocketReader } from './websocket.js'

interface Read {
  readonly messages: string[]
  readonly closes: [number | null, string][]
  readonly notes: string[]
}

const readAll = (chunks: Iterable<Buffer>, limit?: number): Read => {
  const read: Read = { messages: [], closes: [], notes: [] }
  const reader = new WebSocketReader(
    {
      message: (payload) => void read.messages.push(payload.toString()),
      close: (code, reason) => void read.closes.push([code, reason]),
      note: (word) => void read.notes.push(word),
    },
    limit,
  )
  for (const chunk of chunks) reader.push(chunk)
  return read
}

const mask = Buffer.from([0x12, 0x00, 0xff, 0x7a])

/** A frame, by hand. */
const frame = (
  opcode: number,
  payload: Buffer | string,
  more: { final?: boolean; masked?: boolean; wide?: boolean } = {},
): Buffer => {
  const body = Buffer.from(payload)
  const { final = true, masked = false, wide = false } = more
  const bit = masked ? 0x80 : 0
  const head =
    wide || body.length > 65_535 ? Buffer.alloc(10) : body.length > 125 ? Buffer.alloc(4) : Buffer.from([0, body.length | bit])
  if (head.length === 4) {
    head[1] = 126 | bit
    head.writeUInt16BE(body.length, 2)
  } else if (head.length === 10) {
    head[1] = 127 | bit
    head.writeBigUInt64BE(BigInt(body.length), 2)
  }
  head[0] = (final ? 0x80 : 0) | opcode
  if (!masked) return Buffer.concat([head, body])
  return Buffer.concat([head, mask, body.map((byte, i) => byte ^ (mask[i % 4] as number))])
}

const pieces = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : at[i - 1], end))
}

test('fragments, control frames between them, all three forms of a length, both directions', () => {
  for (const masked of [false, true]) {
    const bytes = Buffer.concat([
      frame(1, 'whole', { masked }),
      frame(1, 'be', { masked, final: false }),
      frame(9, 'ping', { masked }),
      frame(0, 'gin', { masked, final: false }),
      frame(10, '', { masked }),
      frame(0, 'ning é', { masked }),
      frame(2, 'x'.repeat(126), { masked }),
      frame(2, 'y'.repeat(65_536), { masked }),
      frame(1, '', { masked }),
      frame(1, 'wide', { masked, wide: true }),
      frame(8, Buffer.concat([Buffer.from([0x03, 0xf3]), Buffer.from('why')]), { masked }),
    ])
    const before = Buffer.from(bytes)
    const expected: Read = {
      messages: ['whole', 'beginning é', 'x'.repeat(126), 'y'.repeat(65_536), '', 'wide'],
      closes: [[1011, 'why']],
      notes: [],
    }
    expect(readAll([bytes])).toEqual(expected)
    expect(readAll(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(expected)
    // What is relayed is not written to.
    expect(bytes.equals(before)).toBe(true)
  }
})

test('cut anywhere', () => {
  const messages = fc.array(fc.record({ text: fc.string({ maxLength: 300 }), masked: fc.boolean(), parts: fc.nat(3) }), {
    maxLength: 8,
  })
  fc.assert(
    fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (said, cuts) => {
      const bytes = Buffer.concat(
        said.flatMap(({ text, masked, parts }) => {
          const body = Buffer.from(text)
          const step = Math.max(1, Math.ceil(body.length / (parts + 1)))
          const cut = Array.from({ length: Math.max(1, Math.ceil(body.length / step)) }, (_, i) =>
            body.subarray(i * step, (i + 1) * step),
          )
          return cut.map((piece, i) => frame(i === 0 ? 1 : 0, piece, { masked, final: i === cut.length - 1 }))
        }),
      )
      expect(readAll(pieces(bytes, cuts))).toEqual({ messages: said.map(({ text }) => text), closes: [], notes: [] })
    }),
  )
})

test('a message that is too long is passed over, whole or in fragments; the next one is read', () => {
  const bytes = Buffer.concat([
    frame(1, 'x'.repeat(101)),
    frame(1, 'a'.repeat(60), { final: false }),
    frame(9, 'ping'),
    frame(0, 'a'.repeat(60), { final: false }),
    frame(0, 'a', {}),
    frame(1, 'y'.repeat(100)),
  ])
  expect(readAll([bytes], 100)).toEqual({
    messages: ['y'.repeat(100)],
    closes: [],
    notes: ['message_too_large', 'message_too_large'],
  })
})

describe('what is no frame stops the reading, once', () => {
  test.each([
    ['a reserved bit: an extension', Buffer.from([0xc1, 1, 65])],
    ['an opcode nobody has', Buffer.from([0x83, 1, 65])],
    ['a control opcode nobody has', Buffer.from([0x8b, 0])],
    ['a control frame in fragments', frame(9, 'p', { final: false })],
    ['a control frame that is too long', frame(9, 'p'.repeat(126))],
    ['a continuation of nothing', frame(0, 'x')],
    ['a message inside another', Buffer.concat([frame(1, 'x', { final: false }), frame(1, 'y')])],
    ['a length no number holds', Buffer.from([0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])],
    ['text', Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n')],
  ])('%s', (_, bytes) => {
    expect(readAll([frame(1, 'before'), bytes, frame(1, 'after')])).toEqual({
      messages: ['before'],
      closes: [],
      notes: ['unreadable'],
    })
  })
})

test('any bytes are borne', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 }), (chunks) => {
      const { notes } = readAll(
        chunks.map((chunk) => Buffer.from(chunk)),
        32,
      )
      expect(notes.filter((note) => note === 'unreadable').length).toBeLessThanOrEqual(1)
    }),
  )
})
