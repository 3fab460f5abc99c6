import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { awsEventStreamSplitter, exceptionIn } from './aws-event-stream.js'
import { errorFrame, eventFrame, exceptionFrame, frameOf, type FrameHeader } from './event-frames.js'
import { splitsOf } from './splits.js'

interface Read {
  readonly events: readonly (readonly [string, string | null])[]
  readonly notes: readonly string[]
  readonly onBoundary: boolean
}

const read = (pieces: readonly Buffer[]): Read => {
  const events: (readonly [string, string | null])[] = []
  const notes: string[] = []
  const splitter = awsEventStreamSplitter(
    (data, name) => events.push([data, name]),
    (note) => notes.push(note),
  )
  for (const piece of pieces) splitter.push(piece)
  splitter.end()
  return { events, notes, onBoundary: splitter.atBoundary() }
}

const runs = 20_000 * Number(process.env.WEIR_FUZZ ?? 1)

// Worked by hand from the published test vectors of the format: total 0x3d = 61, headers 0x20 = 32, payload `{'foo':'bar'}`.
const vector = Buffer.from(
  '0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1',
  'hex',
)

describe('frames', () => {
  test('a published frame, and the smallest one', () => {
    expect(read([vector])).toEqual({ events: [["{'foo':'bar'}", null]], notes: [], onBoundary: true })
    const empty = Buffer.from('000000100000000005c248eb7d98c8ff', 'hex')
    expect(read([empty, vector]).events).toEqual([
      ['', null],
      ["{'foo':'bar'}", null],
    ])
  })

  test('the same in every split', () => {
    const bytes = Buffer.concat([
      eventFrame('messageStart', { role: 'assistant' }),
      eventFrame('contentBlockDelta', { delta: { text: 'Zoë 👋' } }),
      exceptionFrame('throttlingException', { message: 'Too many requests.' }),
    ])
    const whole = read([bytes])
    expect(whole.events.map(([, name]) => name)).toEqual(['messageStart', 'contentBlockDelta', 'exception:throttlingException'])
    expect(Buffer.from(whole.events[1]?.[0] ?? '', 'latin1').toString()).toBe('{"delta":{"text":"Zoë 👋"}}')
    for (const { name, pieces } of splitsOf(bytes)) expect(read(pieces), name).toEqual(whole)
  })

  test('exceptions and errors are marked; an error tells all in its headers', () => {
    const [[data, name] = ['', null]] = read([errorFrame('InternalFailure', 'It broke: "é".')]).events
    expect([JSON.parse(Buffer.from(data, 'latin1').toString()), exceptionIn(name)]).toEqual([
      { message: 'It broke: "é".' },
      'InternalFailure',
    ])
    expect(exceptionIn('metadata')).toBeNull()
    expect(exceptionIn(null)).toBeNull()
  })

  test('all ten types of header are stepped over; an unknown type leaves a note, and the next frame is read', () => {
    const header = (type: number, value: Buffer): FrameHeader => ({ name: `h${type}`, type, value })
    const headers = [0, 0, 1, 2, 4, 8].map((length, type) => header(type, Buffer.alloc(length, 7)))
    const all = [
      ...headers,
      header(6, Buffer.from('ab')),
      header(8, Buffer.alloc(8)),
      header(9, Buffer.alloc(16)),
      { name: ':event-type', type: 7, value: Buffer.from('metadata') },
    ]
    expect(read([frameOf(all, Buffer.from('x'))]).events).toEqual([['x', 'metadata']])
    const odd = frameOf([header(10, Buffer.alloc(0))], Buffer.from('x'))
    expect(read([odd, vector])).toMatchObject({ events: [["{'foo':'bar'}", null]], notes: ['malformed'] })
    const short = frameOf([header(5, Buffer.alloc(3))], Buffer.from('x'))
    expect(read([short, vector])).toMatchObject({ events: [["{'foo':'bar'}", null]], notes: ['malformed'] })
  })

  test('impossible lengths with a right checksum end the reading', () => {
    const longer = (total: number, headers: number): Buffer => {
      const frame = frameOf([], Buffer.alloc(4))
      frame.writeUInt32BE(total, 0)
      frame.writeUInt32BE(headers, 4)
      // The checksum of the prelude, taken from a frame that has the same: total and headers alone decide it.
      frame.writeUInt32BE(crcOf(frame.subarray(0, 8)), 8)
      return frame
    }
    for (const [total, headers] of [
      [15, 0],
      [16 * 1024 * 1024 + 1, 0],
      [20, 5],
      [0xffffffff, 0],
    ] as const)
      expect(read([vector, longer(total, headers), vector]), `${total}, ${headers}`).toEqual({
        events: [["{'foo':'bar'}", null]],
        notes: ['bad_length'],
        onBoundary: false,
      })
  })

  test('a boundary lies between frames only; a cut frame is no event', () => {
    expect(read([]).onBoundary).toBe(true)
    for (let cut = 1; cut < vector.length; cut++)
      expect(read([vector, vector.subarray(0, cut)]), `after ${cut} bytes`).toEqual({
        events: [["{'foo':'bar'}", null]],
        notes: [],
        onBoundary: false,
      })
  })

  test('a frame of 16 MiB in pieces of 64 KiB', () => {
    const frame = frameOf([{ name: ':event-type', type: 7, value: Buffer.from('e') }], Buffer.alloc(16 * 1024 * 1024 - 32, 0x61))
    expect(frame.length).toBeLessThanOrEqual(16 * 1024 * 1024)
    const pieces = Array.from({ length: Math.ceil(frame.length / 65_536) }, (_, at) =>
      frame.subarray(at * 65_536, (at + 1) * 65_536),
    )
    const { events, notes, onBoundary } = read(pieces)
    expect([events[0]?.[0].length, events[0]?.[1], notes, onBoundary]).toEqual([16 * 1024 * 1024 - 32, 'e', [], true])
  })
})

/** CRC-32 bit by bit: a reference that shares nothing with the reader's. */
const crcOf = (bytes: Buffer): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

const widths = [0, 0, 1, 2, 4, 8, null, null, 8, 16]
const header: fc.Arbitrary<FrameHeader> = fc
  .record({
    name: fc.string({ minLength: 1, maxLength: 20 }),
    type: fc.integer({ min: 0, max: 9 }),
    bytes: fc.uint8Array({ minLength: 16, maxLength: 60 }),
    length: fc.nat(60),
  })
  .map(({ name, type, bytes, length }) => {
    const width = widths[type]
    return { name, type, value: Buffer.from(bytes).subarray(0, typeof width === 'number' ? width : length) }
  })
const event = fc.record({
  type: fc.constantFrom('contentBlockDelta', 'metadata', 'chunk'),
  headers: fc.array(header, { maxLength: 4 }),
  payload: fc.uint8Array({ maxLength: 200 }),
})
type Event = { readonly type: string; readonly headers: readonly FrameHeader[]; readonly payload: Uint8Array }

const bytesOf = ({ type, headers, payload }: Event): Buffer =>
  frameOf([...headers, { name: ':event-type', type: 7, value: Buffer.from(type) }], Buffer.from(payload))
const told = ({ type, payload }: Event): readonly [string, string] => [Buffer.from(payload).toString('latin1'), type]

test('frames of any headers and payload survive any split', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(2000), { maxLength: 12 }), (events, cuts) => {
      const bytes = Buffer.concat(events.map(bytesOf))
      const places = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b)
      const pieces = [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length))
      expect(read(pieces)).toEqual({ events: events.map(told), notes: [], onBoundary: true })
    }),
    { numRuns: runs / 10 },
  )
}, 600_000)

test('no flipped bit is accepted: the frames before it are read, it and all behind it are not', () => {
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 3 }),
      fc.nat(1_000_000),
      fc.constantFrom(1, 1, 1, 2, 3),
      fc.nat(1_000_000),
      fc.boolean(),
      (events, first, flips, next, bytewise) => {
        const frames = events.map(bytesOf)
        const bytes = Buffer.concat(frames)
        const bits = new Set(Array.from({ length: flips }, (_, flip) => (first + flip * (1 + (next % 200))) % (bytes.length * 8)))
        for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
        const damaged = Math.min(...bits) >> 3
        let before = 0
        for (let end = 0; before < frames.length; before++) {
          end += (frames[before] as Buffer).length
          if (damaged < end) break
        }
        const { events: accepted, notes } = read(bytewise ? Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)) : [bytes])
        expect(accepted).toEqual(events.slice(0, before).map(told))
        expect(notes.length).toBe(1)
      },
    ),
    { numRuns: runs },
  )
}, 600_000)
