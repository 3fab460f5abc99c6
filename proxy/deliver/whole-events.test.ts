import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../../cli/fake-provider/server.js'
import { post, startTestProxy } from '../obtain/cache/testing.js'
import { wholeEventsOf } from './whole-events.js'

/** What goes out, piece by piece, when the bytes come in pieces of `size`. */
const pieces = (contentType: string, bytes: Buffer, size: number): Buffer[] => {
  const forming = wholeEventsOf(contentType, null)
  if (forming === null) throw new Error('Not a stream of events.')
  const out: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) out.push(forming.push(bytes.subarray(at, at + size)))
  out.push(forming.end())
  return out.filter((piece) => piece.length > 0)
}

const frame = (payload: string): Buffer => {
  const body = Buffer.from(payload)
  const head = Buffer.alloc(12)
  head.writeUInt32BE(16 + body.length, 0)
  return Buffer.concat([head, body, Buffer.alloc(4)])
}

describe.each([1, 2, 3, 5, 7, 16, 64, 1000])('pieces of %i bytes', (size) => {
  test.each([
    ['LF', ['data: one\n\n', ': a comment\n\n', 'event: x\ndata: two\ndata: three\n\n', 'data: ü\n\n']],
    ['CR LF', ['data: one\r\n\r\n', 'event: x\r\ndata: two\r\n\r\n', 'data: ü\r\n\r\n']],
    ['CR', ['data: one\r\r', 'event: x\rdata: two\r\r', 'data: three\r\r']],
    ['mixed', ['data: one\r\n\n', 'data: two\n\r\n', 'data: three\r\n\r\n']],
  ])('SSE with %s: the same bytes, each piece ends an event', (_, events) => {
    const out = pieces('text/event-stream; charset=utf-8', Buffer.from(events.join('')), size)
    expect(Buffer.concat(out).toString()).toBe(events.join(''))
    const ends = new Set(events.map((_each, i) => Buffer.byteLength(events.slice(0, i + 1).join(''))))
    let length = 0
    for (const piece of out) expect(ends.has((length += piece.length)), `${length}`).toBe(true)
  })

  test('lines of JSON', () => {
    const text = '{"a":1}\n{"b":"ü"}\n{"c":3}\n'
    const out = pieces('application/x-ndjson', Buffer.from(text), size)
    expect(Buffer.concat(out).toString()).toBe(text)
    for (const piece of out) expect(piece.at(-1)).toBe(10)
  })

  test('frames of an AWS event stream', () => {
    const frames = [frame('one'), frame(''), frame('x'.repeat(300)), frame('\n\n\n\n')]
    const out = pieces('application/vnd.amazon.eventstream', Buffer.concat(frames), size)
    expect(Buffer.concat(out)).toEqual(Buffer.concat(frames))
    const ends = frames.map((_each, i) => frames.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0))
    let length = 0
    for (const piece of out) expect(ends).toContain((length += piece.length))
  })
})

test('what is no frame goes out as it comes', () => {
  const forming = wholeEventsOf('application/vnd.amazon.eventstream', null)
  const bytes = Buffer.from('\0\0\0\u0001this is none')
  expect(Buffer.concat([forming?.push(bytes) ?? Buffer.alloc(0), forming?.push(bytes) ?? Buffer.alloc(0)]).length).toBe(
    bytes.length * 2,
  )
})

test('an event without an end is let go after 16 MiB, and what is left at the end goes out', () => {
  const forming = wholeEventsOf('text/event-stream', null)
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  let out = 0
  for (let i = 0; i < 20; i++) out += forming?.push(chunk).length ?? 0
  expect(out).toBe(17 * chunk.length)
  expect(forming?.end().length).toBe(3 * chunk.length)
})

test.each([
  ['application/json', null],
  ['text/event-stream', 'gzip'],
  [null, null],
])('%s, %s is none of its business', (type, encoding) => expect(wholeEventsOf(type, encoding)).toBeNull())

describe('a stream whose pieces are cut anywhere', () => {
  const body = JSON.stringify({ model: 'gpt-5-mini', stream: true, messages: [{ role: 'user', content: 'Hello' }] })
  const house = async () => {
    const fake = await startFakeProvider()
    onTestFinished(() => fake.close())
    const proxy = await startTestProxy(fake.origin)
    return (headers: Record<string, string>, fault = 'split=11;gap=5;id=same') =>
      post(proxy.port, { headers: { 'x-fake': fault, 'Weir-Stream-Usage': 'off', ...headers }, body })
  }

  test('goes out event by event, with the same bytes, in both spellings', async () => {
    const call = await house()
    const plain = await call({})
    const formed = await call({ 'Helicone-Stream-Force-Format': 'true' })
    expect(formed.bytes).toEqual(plain.bytes)
    // One piece for each event at most, however the upstream cut them; as they come, there are many more.
    expect(plain.arrivals.length).toBeGreaterThan(formed.arrivals.length)
    expect(formed.arrivals.length).toBeLessThanOrEqual(formed.bytes.toString().split('\n\n').length)
    expect((await call({ 'Weir-Stream-Force-Format': 'false' })).bytes).toEqual(plain.bytes)
  })

  test('what came of an event that is cut goes out, and the connection breaks', async () => {
    const call = await house()
    const plain = await call({}, 'fin=100;id=same')
    const formed = await call({ 'Weir-Stream-Force-Format': 'true' }, 'fin=100;id=same')
    expect([formed.end, formed.bytes]).toEqual([plain.end, plain.bytes])
  })
})
