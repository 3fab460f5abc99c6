import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decoded } from '../json-text.js'
import { jsonArraySplitter } from './json-array.js'
import { ndjsonSplitter } from './ndjson.js'
import { sseSplitter, type OnEvent, type Splitter } from './sse.js'
import { topLevelScanner } from './top-level.js'

// Whatever the bytes, and wherever they are cut: a splitter finds what is found in the whole by means so simple that they cannot be wrong.

const times = (runs: number): { numRuns: number } => ({ numRuns: runs * Number(process.env.WEIR_FUZZ ?? 1) })
const patience = 600_000 * Math.max(1, Number(process.env.WEIR_FUZZ ?? 1))

/**
 * Places to cut at, by the remainder of the length: a handful is enough, the texts are short. Not as shares of it: made-up fractions
 * are nearly all next to 0.
 */
const cuts = fc.array(fc.integer({ min: 0, max: 9999 }), { maxLength: 8, size: 'max' })

const cutUp = (bytes: Buffer, places: readonly number[]): readonly Buffer[] => {
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return edges.slice(1).map((edge, at) => bytes.subarray(edges[at], edge))
}

type Event = readonly [data: string, name: string | null]
type Open = (onEvent: OnEvent, note: (note: string) => void) => Splitter

const read = (
  open: Open,
  pieces: readonly Buffer[],
): { readonly events: readonly Event[]; readonly notes: readonly string[] } => {
  const events: Event[] = []
  const notes: string[] = []
  const splitter = open(
    (data, name) => events.push([decoded(data), name === null ? null : decoded(name)]),
    (note) => notes.push(note),
  )
  for (const piece of pieces) splitter.push(piece)
  splitter.end()
  return { events, notes }
}
const valueOf = (line: string, field: string): string | null => {
  if (line === field) return ''
  if (!line.startsWith(`${field}:`)) return null
  const value = line.slice(field.length + 1)
  return value.startsWith(' ') ? value.slice(1) : value
}

/** WHATWG, of the whole text at once. The end of the text ends an event too. */
const slowly = (bytes: Buffer): readonly Event[] =>
  bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .replace(/\r\n|\r/g, '\n')
    .split('\n\n')
    .flatMap((block): Event[] => {
      const lines = block.split('\n')
      const data = lines.map((line) => valueOf(line, 'data')).filter((value) => value !== null)
      const names = lines.map((line) => valueOf(line, 'event')).filter((value) => value !== null)
      return data.length === 0 ? [] : [[data.join('\n'), names.at(-1) || null]]
    })

const half = Buffer.from('👋').subarray(0, 2)
const fields = ['data: ', 'data:', 'data', 'event: x', 'event:', 'event', 'event: y', ': c', ':', 'id: 1', 'retry: 5']
const ends = ['\n', '\n', '\r', '\r\n', '\n\n', '\r\n\r\n', '\r\r', '\n\r']
const texts = ['ë', '👋', '\uFEFF', ' ', '  ', '{"a":1}', '[DONE]', 'dat', 'datas: 1', 'x', '\0', '\t', '\u0085', '\u2028']
const words = [...fields, ...ends, ...texts].map((word) => Buffer.from(word))
/** What streams are made of: without these alone, two whole events beside each other would be one case in thousands. */
const plainWords = ['data: a', 'data: b', 'event: x', '\n', '\n', '\n\n', '\n\n', '\r\n'].map((word) => Buffer.from(word))
const stream = fc
  .oneof(
    fc.array(fc.constantFrom(...words, half, Buffer.from([0xff])), { maxLength: 16, size: 'max' }),
    fc.array(fc.constantFrom(...plainWords), { maxLength: 16, size: 'max' }),
  )
  .map((found) => Buffer.concat(found))

test(
  'server-sent events',
  () => {
    fc.assert(
      fc.property(stream, cuts, (bytes, places) => {
        expect(read(sseSplitter, cutUp(bytes, places)).events).toEqual(slowly(bytes))
      }),
      times(100_000),
    )
  },
  patience,
)

/** Characters that mean something outside of strings, and those that are more than one byte. */
const unit = fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', '\n', ' ', 'a', 'ë', '👋')
const json = fc.jsonValue({ maxDepth: 2, stringUnit: unit })
const indent = fc.constantFrom<string | number | undefined>(undefined, 1, '\t')

/** What may stand behind the end of what is asked for. */
const tail = fc
  .array(fc.constantFrom('', ' ', '\n', ']', '}', '[', '{"', '"\\', ',', 'x', '\0', 'data: [DONE]'), { maxLength: 3 })
  .map((found) => found.join(''))

test(
  'the elements of an array',
  () => {
    fc.assert(
      fc.property(fc.array(json, { maxLength: 4 }), indent, tail, cuts, (elements, space, behind, places) => {
        const text = JSON.stringify(elements, null, space)
        const { events } = read(jsonArraySplitter, cutUp(Buffer.from(`\n${text}${behind}`), places))
        expect(events.slice(0, elements.length).map(([data]) => JSON.parse(data) as unknown)).toEqual(JSON.parse(text))
        if (behind.trim() === '') expect(events).toHaveLength(elements.length)
      }),
      times(20_000),
    )
  },
  patience,
)

const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', ' \r\n')

test(
  'lines of JSON',
  () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(json, lineEnd), { maxLength: 4 }),
        fc.boolean(),
        tail,
        cuts,
        (lines, ended, behind, places) => {
          const texts = lines.map(([value]) => JSON.stringify(value))
          const whole = lines.map(([, end], at) => `${texts[at] ?? ''}${ended || at < lines.length - 1 ? end : ''}`).join('')
          const { events } = read(ndjsonSplitter, cutUp(Buffer.from(ended ? whole + behind : whole), places))
          expect(events.slice(0, lines.length).map(([data]) => JSON.parse(data) as unknown)).toEqual(
            JSON.parse(`[${texts.join(',')}]`),
          )
          if (!ended || behind.trim() === '') expect(events).toHaveLength(lines.length)
        },
      ),
      times(20_000),
    )
  },
  patience,
)

test(
  'keys of an object, in constant memory',
  () => {
    const wanted = ['usage', 'a', '']
    const key = fc.constantFrom('usage', 'a', '', 'b', 'k"x', 'ë')
    // Keys of the same names inside are not those that are asked for.
    const inside = fc.oneof(json, fc.dictionary(key, json, { maxKeys: 3 }), fc.array(fc.dictionary(key, json, { maxKeys: 2 })))
    const object = fc.dictionary(key, inside, { maxKeys: 5 })
    fc.assert(
      fc.property(object, indent, cuts, (value, space, places) => {
        const scanner = topLevelScanner(wanted)
        const text = JSON.stringify(value, null, space)
        for (const piece of cutUp(Buffer.from(text), places)) scanner.push(piece)
        const found = Object.fromEntries([...scanner.values()].map(([key, told]) => [key, JSON.parse(decoded(told)) as unknown]))
        const whole = JSON.parse(text) as Record<string, unknown>
        expect(found).toEqual(Object.fromEntries(Object.entries(whole).filter(([key]) => wanted.includes(key))))
      }),
      times(10_000),
    )
  },
  patience,
)

describe('broken bytes', () => {
  test.each([
    ['server-sent events', sseSplitter],
    ['array', jsonArraySplitter],
    ['lines', ndjsonSplitter],
  ] as const)(
    '%s: the same events in all pieces, and no throw',
    (_, open) => {
      const bytes = fc
        .array(
          fc.oneof(
            fc.constantFrom('[', ']', '{', '}', '"', '\\', ',', ':', '\n', ' ', 'data:', '1').map((word) => Buffer.from(word)),
            fc.uint8Array({ maxLength: 3 }).map((found) => Buffer.from(found)),
          ),
          { maxLength: 20, size: 'max' },
        )
        .map((found) => Buffer.concat(found))
      fc.assert(
        fc.property(bytes, cuts, (whole, places) => {
          expect(read(open, cutUp(whole, places))).toEqual(read(open, [whole]))
        }),
        times(5000),
      )
    },
    patience,
  )
})
