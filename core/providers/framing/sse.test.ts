import { describe, expect, test } from 'vitest'
import { decoded } from '../json-text.js'
import { random, splitsOf } from './splits.js'
import { maxEventBytes, sseSplitter } from './sse.js'

type Event = readonly [data: string, name: string | null]

const read = (pieces: readonly Buffer[]): { events: Event[]; notes: string[]; onBoundary: boolean } => {
  const events: Event[] = []
  const notes: string[] = []
  const splitter = sseSplitter(
    (data, name) => events.push([decoded(data), name === null ? null : decoded(name)]),
    (note) => notes.push(note),
  )
  for (const piece of pieces) splitter.push(piece)
  const onBoundary = splitter.atBoundary()
  splitter.end()
  return { events, notes, onBoundary }
}

/** The rules of WHATWG, written down line by line with no thought for speed. The end of the stream ends an event. */
const reference = (bytes: Buffer): Event[] => {
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  const lines = text.split(/\r\n|\n|\r/)
  const events: Event[] = []
  let data: string[] = []
  let name: string | null = null
  const dispatch = (): void => {
    if (data.length > 0) events.push([data.join('\n'), name])
    data = []
    name = null
  }
  for (const line of lines) {
    if (line === '') dispatch()
    else if (!line.startsWith(':')) {
      const cut = line.indexOf(':')
      const field = cut === -1 ? line : line.slice(0, cut)
      const value = cut === -1 ? '' : line.slice(cut + 1).replace(/^ /, '')
      if (field === 'data') data.push(value)
      else if (field === 'event') name = value === '' ? null : value
    }
  }
  dispatch()
  return events
}

describe('by hand', () => {
  test.each([
    [
      'LF',
      'data: a\n\ndata: b\n\n',
      [
        ['a', null],
        ['b', null],
      ],
    ],
    [
      'CRLF',
      'event: x\r\ndata: a\r\n\r\ndata:b\r\n\r\n',
      [
        ['a', 'x'],
        ['b', null],
      ],
    ],
    [
      'CR',
      'data: a\r\rdata: b\r\r',
      [
        ['a', null],
        ['b', null],
      ],
    ],
    ['several data lines', 'data: a\ndata: b\n\n', [['a\nb', null]]],
    ['a comment, an event without data', ': OPENROUTER PROCESSING\n\nevent: only\n\ndata: a\n\n', [['a', null]]],
    ['a byte order mark', '\uFEFFdata: a\n\n', [['a', null]]],
    [
      'a last event without its blank line',
      'data: a\n\ndata: b',
      [
        ['a', null],
        ['b', null],
      ],
    ],
    ['only one space is taken away', 'data:  a\n\n', [[' a', null]]],
    ['a field without colon', 'data\n\n', [['', null]]],
    ['beyond ASCII', 'data: {"t":"Zoë 👋"}\n\n', [['{"t":"Zoë 👋"}', null]]],
    ['fields that only begin alike', 'dataset: a\neventually: b\ndata: c\n\n', [['c', null]]],
  ] as const)('%s', (_, text, expected) => {
    for (const { name, pieces } of splitsOf(Buffer.from(text))) expect(read(pieces).events, name).toEqual(expected)
  })

  test('a boundary is where an event could begin', () => {
    expect(read([]).onBoundary).toBe(true)
    expect(read([Buffer.from('data: a\n\n')]).onBoundary).toBe(true)
    expect(read([Buffer.from('data: a\r\n\r')]).onBoundary).toBe(true)
    expect(read([Buffer.from('data: a\n')]).onBoundary).toBe(false)
    expect(read([Buffer.from('data: a')]).onBoundary).toBe(false)
  })

  test('an event over the limit is skipped and noted, those around it are read', () => {
    const long = Buffer.alloc(maxEventBytes + 10, 0x61)
    const { events, notes } = read([Buffer.from('data: a\n\ndata: '), long, Buffer.from('\n\ndata: b\n\n')])
    expect(events).toEqual([
      ['a', null],
      ['b', null],
    ])
    expect(notes).toEqual(['event_too_large'])
  })
})

test('any bytes in any pieces give what the slow reference gives', () => {
  const parts = [
    'data: ',
    'data:',
    'event: x',
    ': c',
    'id: 1',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\r\n\r\n',
    'ë',
    '👋',
    '{"a":1}',
    ' ',
    'dat',
    'a',
    'event',
    ':',
  ]
  const rounds = Number(process.env.WEIR_PROPERTY_ROUNDS ?? 4000)
  for (let seed = 1; seed <= rounds; seed++) {
    const next = random(seed)
    const bytes = Buffer.from(
      Array.from({ length: 1 + Math.floor(next() * 14) }, () => parts[Math.floor(next() * parts.length)]).join(''),
    )
    const expected = reference(bytes)
    for (const { name, pieces } of splitsOf(bytes, 2))
      expect(read(pieces).events, `seed ${seed}, ${name}: ${JSON.stringify(bytes.toString())}`).toEqual(expected)
  }
})
