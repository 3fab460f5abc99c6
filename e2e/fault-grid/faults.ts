import { constants, createGzip } from 'node:zlib'
import { closingEvents, errorBytes, longText, openingEvents, sayingOf, withErrorAtTheEnd, type Saying } from './answers.js'
import { cut, errorAnswer, errorInside, failed, servedByB, whole, type Expected } from './expected.js'
import type { Answering, Framing, Script } from './upstream.js'

/** One of the eight situations a fault is met in. */
export interface Situation {
  readonly stream: boolean
  readonly cached: boolean
  /** Another target stands ready. */
  readonly failover: boolean
}

/** Where A is. By default it listens, in clear. */
export type Place = 'refuses' | 'no-name' | 'slow-name' | 'self-signed' | 'other-host' | 'says-nothing' | 'tls'

/** One form of a fault. */
export interface Variant {
  readonly name: string
  readonly place?: Place
  readonly script?: Script
  readonly expected: Expected
  /** Of A's answer, in lower case: they reach the client as they came. */
  readonly headers?: Readonly<Record<string, string>>
  /** A call of the same caller goes before it, or comes after it. */
  readonly also?: 'before' | 'after'
  /** What happens shows by a time-out. */
  readonly timed?: boolean
}

export interface Fault {
  readonly name: string
  /** By routing.md a call to such a target opens its circuit at once: the next one goes to another first. */
  readonly opensCircuit?: boolean
  readonly variants: (situation: Situation) => readonly Variant[]
}

const tick = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const aSaying = ({ stream }: Situation, { asked }: Answering): Saying => sayingOf('A', stream, `a-${asked.n}`)

const framingOf = ({ stream }: Situation): Framing => (stream ? 'chunked' : 'length')

/** A whole answer as it should be. */
const answerWell = (situation: Situation, answering: Answering, framing = framingOf(situation)): void => {
  const { type, whole } = aSaying(situation, answering)
  answering.head({ type, framing, length: whole.length })
  answering.say(whole)
  answering.end()
}

/** How far an answer comes before it breaks off. */
interface Reach {
  readonly name: string
  readonly bytes: (saying: Saying) => Buffer
  readonly text?: readonly string[]
  /** Nothing of it can have gone to the client yet where another target is left. */
  readonly held: boolean
  readonly onBoundary: boolean
}
const inside: Reach = {
  name: 'inside an event',
  bytes: ({ parts }) => Buffer.concat(parts).subarray(0, Buffer.concat(parts.slice(0, 4)).length + 20),
  held: false,
  onBoundary: false,
}
const onBoundary: Reach = {
  name: 'on a boundary',
  bytes: ({ parts }) => Buffer.concat(parts.slice(0, 4)),
  held: false,
  onBoundary: true,
}
const beforeContent: Reach = {
  name: 'before any content',
  bytes: ({ parts }) => Buffer.concat(parts.slice(0, openingEvents)),
  held: true,
  onBoundary: true,
}
const inBody: Reach = {
  name: 'in the body',
  bytes: ({ whole }) => whole.subarray(0, whole.length - 60),
  held: true,
  onBoundary: false,
}
const farInBody: Reach = { ...inBody, name: 'far in the body', text: longText, held: false }

/** How answers of a situation can break off. */
const reaches = ({ stream, failover }: Situation): readonly Reach[] =>
  stream ? [onBoundary, inside, ...(failover ? [beforeContent] : [])] : failover ? [inBody, farInBody] : [inBody]

interface Break {
  readonly framing: Framing
  /** The length that was told is that of what comes. Otherwise it is that of the whole answer. */
  readonly lengthMet?: boolean
  readonly breakOff: (answering: Answering) => void
  readonly outcome?: { readonly outcome: string; readonly kind: string; readonly code: string }
  /** Where the client was promised a length, whatever we do. */
  readonly end?: Expected['end']
}

/** An answer that begins and does not come to its end. */
const broken = (
  situation: Situation,
  { framing, lengthMet, breakOff, outcome, end }: Break,
  more: Partial<Variant> = {},
): readonly Variant[] =>
  reaches(situation).map((reach) => ({
    name: reach.name,
    ...more,
    script: async (answering) => {
      const saying = sayingOf('A', situation.stream, `a-${answering.asked.n}`, reach.text)
      const bytes = reach.bytes(saying)
      answering.head({ type: saying.type, framing, length: lengthMet === true ? bytes.length : saying.whole.length })
      answering.say(bytes)
      await (situation.failover && reach.held ? answering.arrived() : answering.received())
      breakOff(answering)
    },
    expected:
      situation.failover && reach.held
        ? servedByB(200, outcome?.kind ?? 'network', 'begun')
        : cut(end ?? (reach.onBoundary ? 'event' : 'broken'), outcome),
  }))

const named = (how: string, variants: readonly Variant[]): readonly Variant[] =>
  variants.map((each) => ({ ...each, name: `${each.name}, ${how}` }))

const status =
  (code: number, kind: string, type: string, body: string) =>
  ({ failover }: Situation, headers: Readonly<Record<string, string>> = {}, name = ''): Variant => ({
    name,
    headers,
    script: (answering) => {
      const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}`)
      answering.head({ status: code, type, framing: 'length', length: body.length, headers: lines })
      answering.say(Buffer.from(body))
    },
    expected: failover ? servedByB(code, kind) : errorAnswer(code, kind),
  })
const json = (message: string): string => JSON.stringify({ error: { message, type: 'x', param: null, code: null } })
const html = '<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>'

const either = ({ failover }: Situation, off: Expected, on: Expected): Expected => (failover ? on : off)
const unreachable = (situation: Situation, name: string, place: Place): Variant => ({
  name,
  place,
  expected: either(situation, failed(502, 'upstream_unreachable', 'upstream_abort', 'network'), servedByB(0, 'network')),
})
const late = (situation: Situation, kind: 'timeout_connect' | 'timeout_ttft', rest: Partial<Variant>): Variant => ({
  name: '',
  timed: true,
  expected: either(situation, failed(504, kind, 'stall', kind), servedByB(0, kind, kind === 'timeout_ttft' ? 'waited' : 'B')),
  ...rest,
})

/** Flushed event by event, as providers do it; the cut has only what came before it. */
const gzipped = async (parts: readonly Buffer[]): Promise<readonly Buffer[]> => {
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH })
  const out: Buffer[] = []
  let pieces: Buffer[] = []
  gzip.on('data', (piece: Buffer) => pieces.push(piece))
  for (const part of parts) {
    pieces = []
    await new Promise<void>((resolve) => gzip.write(part, () => setImmediate(resolve)))
    out.push(Buffer.concat(pieces))
  }
  gzip.destroy()
  return out
}

const gzipCut = (situation: Situation, name: string, shown: number): Variant => ({
  name,
  script: async (answering) => {
    const { type, parts, whole } = aSaying(situation, answering)
    const shownParts = situation.stream ? parts.slice(0, shown) : [whole.subarray(0, whole.indexOf('"usage"'))]
    const bytes = Buffer.concat(await gzipped(shownParts))
    answering.head({ type, framing: framingOf(situation), length: bytes.length, headers: ['content-encoding: gzip'] })
    answering.say(bytes)
    // Else all of it may come at once, and be held.
    if (!situation.failover || shown > openingEvents) await answering.received()
    answering.end()
  },
  expected:
    situation.failover && (shown <= openingEvents || !situation.stream) ? servedByB(200, 'network', 'begun') : cut('clean'),
})

/** Whole, with bytes that are no part of any answer behind it. */
const poisoned = (situation: Situation, name: string, extra: string, later: boolean): Variant => ({
  name,
  also: 'after',
  script: async (answering) => {
    const { type, whole } = aSaying(situation, answering)
    const isFirst = answering.asked.n === 0
    answering.head({ type, framing: 'length', length: whole.length })
    answering.say(whole)
    if (!isFirst) return
    if (later) await answering.received()
    answering.raw(extra)
  },
  expected: whole,
})
const second = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\r\n{"poisoned": true}'

const oddBytes = (situation: Situation, alter: (saying: Saying) => Buffer, rest: Partial<Variant> = {}): Variant => ({
  name: '',
  expected: whole,
  script: (answering) => {
    const saying = aSaying(situation, answering)
    const bytes = alter(saying)
    answering.head({ type: saying.type, framing: framingOf(situation), length: bytes.length })
    answering.say(bytes)
    answering.end()
  },
  ...rest,
})
const withNote = (note: string, usage: Expected['usage']): Expected => ({
  ...whole,
  row: { ...whole.row, note },
  usage,
  kept: false,
})
/** Puts an event before those that end a stream. */
const amid = ({ parts }: Saying, extra: Buffer): Buffer =>
  Buffer.concat([...parts.slice(0, -closingEvents), extra, ...parts.slice(-closingEvents)])

const halfSequence = Buffer.from([0xe2, 0x82])
/** The text ends in the middle of a character. */
const halfCharacter = ({ whole }: Saying): Buffer => {
  const [mark, at] = [Buffer.from('✓.'), whole.indexOf('✓.')]
  return Buffer.concat([whole.subarray(0, at), halfSequence, whole.subarray(at + mark.length)])
}

const megabytes20 = 'x'.repeat(20 * 1024 * 1024)
const hugeEvent = Buffer.from(`data: {"padding":"${megabytes20}"}\n\n`)

const labelled = (situation: Situation, coding: string, expected: Expected): Variant => ({
  name: `plain as ${coding}`,
  script: (answering) => {
    const { type, whole } = aSaying(situation, answering)
    answering.head({ type, framing: framingOf(situation), length: whole.length, headers: [`content-encoding: ${coding}`] })
    answering.say(whole)
    answering.end()
  },
  headers: { 'content-encoding': coding },
  expected,
})

const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1000).toUTCString()
const rateLimit = status(429, 'rate_limit', 'application/json', json('Too many requests.'))

/** The thirty faults of reliability.md §4, in its order. What is expected is written from there, from routing.md §3-6 and wire.md. */
export const faults: readonly Fault[] = [
  { name: 'refused', variants: (s) => [unreachable(s, '', 'refuses')] },
  {
    name: 'reset before the head',
    variants: (s) => [
      {
        name: '',
        script: (answering) => answering.reset(),
        expected: either(s, failed(502, 'upstream_reset', 'upstream_abort', 'network'), servedByB(0, 'network')),
      },
    ],
  },
  { name: 'name not found', variants: (s) => [unreachable(s, '', 'no-name')] },
  {
    name: 'bad certificate or host name',
    variants: (s) => [unreachable(s, 'self-signed', 'self-signed'), unreachable(s, 'for another host', 'other-host')],
  },
  { name: 'slow DNS', variants: (s) => [late(s, 'timeout_connect', { place: 'slow-name' })] },
  { name: 'TLS handshake stalls', variants: (s) => [late(s, 'timeout_connect', { place: 'says-nothing' })] },
  { name: 'no head', variants: (s) => [late(s, 'timeout_ttft', { script: () => undefined })] },
  {
    name: 'reset of a reused socket, 0 bytes',
    variants: (s) => [
      {
        name: '',
        also: 'before',
        script: (answering) => {
          if (answering.asked.n !== 1) return answerWell(s, answering)
          // The test is of a socket that served before; on another one this is fault 2.
          if (answering.asked.onSocket === 1) answering.reset()
          else answering.raw('HTTP/1.1 500 Not reused\r\ncontent-length: 0\r\n\r\n')
        },
        expected: { ...whole, row: { ...whole.row, warning: 'replayed' } },
      },
    ],
  },
  {
    name: '429 with Retry-After',
    opensCircuit: true,
    variants: (s) => [
      rateLimit(s, { 'retry-after': '7' }, 'seconds'),
      rateLimit(s, { 'retry-after': inSeconds(20) }, 'date'),
      rateLimit(s, { 'retry-after-ms': '7000' }, 'ms'),
      rateLimit(s, { 'retry-after': '1000000000' }, '1e9'),
    ],
  },
  { name: '500', variants: (s) => [status(500, 'server', 'application/json', json('Oops.'))(s)] },
  { name: '502 HTML', variants: (s) => [status(502, 'server', 'text/html', html)(s)] },
  { name: '503', variants: (s) => [status(503, 'overloaded', 'application/json', json('Later.'))(s)] },
  { name: '524', variants: (s) => [status(524, 'server', 'text/html', html)(s)] },
  { name: '529', variants: (s) => [status(529, 'overloaded', 'application/json', json('Later.'))(s)] },
  {
    name: '200, first event an error',
    variants: (s) => [
      oddBytes(s, () => errorBytes(s.stream), { expected: either(s, errorInside, servedByB(200, 'server', 'begun')) }),
    ],
  },
  {
    name: 'error event after content',
    variants: (s) => [
      {
        name: '',
        script: (answering) => {
          const { type, parts, whole } = sayingOf('A', s.stream, 'a', s.stream ? undefined : longText)
          const bytes = s.stream ? Buffer.concat([...parts.slice(0, 4), errorBytes(true)]) : withErrorAtTheEnd(whole)
          answering.head({ type, framing: framingOf(s), length: bytes.length })
          answering.say(bytes)
          answering.end()
        },
        expected: errorInside,
      },
    ],
  },
  { name: 'reset in mid-answer', variants: (s) => broken(s, { framing: 'chunked', breakOff: (answering) => answering.reset() }) },
  {
    name: 'no terminal event',
    variants: (s) => [
      ...broken(s, { framing: 'chunked', breakOff: (answering) => answering.end() }),
      ...named('by FIN', broken(s, { framing: 'close', breakOff: (answering) => answering.end() })),
      // The client has all that it was promised before anybody can know: the row alone tells.
      ...named(
        'length met',
        broken(s, { framing: 'length', lengthMet: true, breakOff: (answering) => answering.end(), end: 'clean' }),
      ),
    ],
  },
  {
    name: 'short of content-length',
    // Behind a promised length no event of ours can stand.
    variants: (s) => broken(s, { framing: 'length', breakOff: (answering) => answering.fin(), end: 'broken' }),
  },
  {
    name: 'TLS end without close_notify',
    variants: (s) => broken(s, { framing: 'close', breakOff: (answering) => answering.fin() }, { place: 'tls' }),
  },
  {
    name: 'stall in mid-answer',
    variants: (s) =>
      broken(
        s,
        {
          framing: 'chunked',
          breakOff: () => undefined,
          outcome: { outcome: 'stall', kind: 'timeout_idle', code: 'timeout_idle' },
        },
        { timed: true },
      ),
  },
  {
    name: 'gzip cut, framing whole',
    variants: (s) => [gzipCut(s, '', 4), ...(s.stream && s.failover ? [gzipCut(s, 'before any content', openingEvents)] : [])],
  },
  {
    name: '1 byte per 100 ms',
    variants: (s) => [
      {
        name: '',
        script: async (answering) => {
          const { type, whole } = aSaying(s, answering)
          answering.head({ type, framing: framingOf(s), length: whole.length })
          for (let at = 0; at < 15; at++) {
            answering.say(whole.subarray(at, at + 1))
            await tick(100)
          }
          answering.say(whole.subarray(15))
          answering.end()
        },
        expected: whole,
      },
    ],
  },
  {
    name: 'bad JSON event',
    variants: (s) =>
      s.stream
        ? [
            oddBytes(s, (saying) => amid(saying, badEvent('"finish_reason":"stop"')), { expected: withNote('malformed', 'A') }),
            // An event that tells no figure is searched for its text and not parsed (wire.md §2): nobody finds what is wrong with it.
            { ...oddBytes(s, (saying) => amid(saying, badEvent('"content":"?"'))), name: 'of text alone' },
          ]
        : [oddBytes(s, badJson, { expected: withNote('malformed', 'any') })],
  },
  {
    name: 'half a UTF-8 sequence last',
    variants: (s) => [
      { ...oddBytes(s, halfCharacter), name: 'in the text' },
      ...(s.stream ? [{ ...oddBytes(s, ({ whole }) => Buffer.concat([whole, halfSequence])), name: 'behind the end' }] : []),
    ],
  },
  {
    name: '20 MiB event',
    variants: (s) => [
      s.stream
        ? oddBytes(s, (saying) => amid(saying, hugeEvent), { expected: withNote('event_too_large', 'A') })
        : // A plain body has no events: it is read in constant memory, and is only too long to be kept.
          oddBytes(s, ({ whole }) => Buffer.concat([Buffer.from(`{"padding":"${megabytes20}",`), whole.subarray(1)]), {
            expected: { ...whole, kept: false },
          }),
    ],
  },
  {
    name: 'wrong content-encoding',
    variants: (s) => [
      // By its first bytes it is not what the label says, and is read as it is (wire.md §1.3).
      labelled(s, 'gzip', whole),
      labelled(s, 'br', withNote('unreadable', 'unread')),
    ],
  },
  {
    name: '1xx',
    variants: (s) => [
      {
        name: '',
        script: (answering) => {
          answering.raw('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n')
          answerWell(s, answering)
        },
        expected: whole,
      },
    ],
  },
  {
    name: '100 KiB of headers',
    variants: (s) => [
      {
        name: '',
        script: (answering) => {
          answering.raw('HTTP/1.1 200 OK\r\n')
          for (let i = 0; i < 100; i++) answering.raw(`x-padding-${i}: ${'p'.repeat(1010)}\r\n`)
          answering.raw('content-length: 2\r\n\r\n{}')
        },
        expected: either(s, failed(502, 'upstream_bad_response', 'upstream_abort', 'network'), servedByB(0, 'network')),
      },
    ],
  },
  {
    name: 'bytes past the length, unasked response',
    variants: (s) => [
      poisoned(s, 'bytes past the length', 'and then some', false),
      poisoned(s, 'second response', second, false),
      poisoned(s, 'second response, later', second, true),
    ],
  },
]

/** One bracket is missing. */
function badEvent(field: string): Buffer {
  return Buffer.from(`data: {"choices":[{"index":0,"delta":{${field}}]}\n\n`)
}

/** Whole as far as its brackets go, and no JSON. */
function badJson({ whole }: Saying): Buffer {
  return Buffer.from(whole.toString().replace('"usage":', '"usage" '))
}
