import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitsOf } from '../../core/providers/framing/splits.js'
import { WithoutUsageEvent } from './without-usage-event.js'

const runs = 10_000 * Number(process.env.WEIR_FUZZ ?? 1)

/** What comes out of each push, and of the end. */
const filtered = (chunks: readonly Buffer[]): readonly Buffer[] => {
  const filter = new WithoutUsageEvent()
  return [...chunks.map((chunk) => filter.push(chunk)), filter.end()]
}
const whole = (text: string): string => Buffer.concat(filtered([Buffer.from(text)])).toString()
const bytewise = (text: string): string =>
  Buffer.concat(filtered([...Buffer.from(text)].map((byte) => Buffer.of(byte)))).toString()

const content = 'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}\n\n'
const usage = 'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
const done = 'data: [DONE]\n\n'

describe('the event goes', () => {
  test.each([
    ['between content and [DONE]', content + usage + done, content + done],
    ['with CRLF', `${content}${usage}${done}`.replaceAll('\n', '\r\n'), `${content}${done}`.replaceAll('\n', '\r\n')],
    ['with CR', `${content}${usage}${done}`.replaceAll('\n', '\r'), `${content}${done}`.replaceAll('\n', '\r')],
    ['without [DONE] behind it', content + usage, content],
    ['without its blank line at the end of the stream', content + usage.slice(0, -2), content],
    ['after a byte order mark', `\uFEFF${usage}${done}`, `\uFEFF${done}`],
    ['usage first, spaces anywhere', 'data:{ "usage" : {"choices":[{}]} ,\t"choices" : [ ] }\n\n', ''],
    ['in two data lines', 'data: {"choices":[],\ndata: "usage":{"total_tokens":1}}\n\n', ''],
    ['with a name and an id', 'event: message\nid: 7\ndata: {"choices":[],"usage":{}}\nretry: 5\n\n', ''],
    ['keys with escapes', 'data: {"choi\\u0063es":[],"us\\u0061ge":{}}\n\n', ''],
    ['a string that looks like choices', 'data: {"x":"\\"choices\\":[{","choices":[],"usage":{}}\n\n', ''],
    ['obfuscation and null errors beside it', 'data: {"choices":[],"usage":{},"obfuscation":"","error":null}\n\n', ''],
    ['comments stay', `: before\n\n: near\n${usage.slice(0, -1)}: inside\n\n${done}`, `: before\n\n: near\n: inside\n${done}`],
  ])('%s', (_, came, left) => {
    expect(whole(came)).toBe(left)
    expect(bytewise(came)).toBe(left)
  })

  test('only the first', () => {
    expect(whole(usage + content + usage)).toBe(content + usage)
  })
})

describe('everything else stays', () => {
  test.each([
    ['choices and usage in one chunk', 'data: {"choices":[{"delta":{}}],"usage":{"total_tokens":1}}\n\n'],
    [
      'no choices and no usage, as the first chunk of Azure',
      'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\n',
    ],
    ['usage null', 'data: {"choices":[],"usage":null}\n\n'],
    ['choices null', 'data: {"choices":null,"usage":{}}\n\n'],
    ['no choices at all', 'data: {"usage":{"total_tokens":1}}\n\n'],
    ['an error', 'data: {"choices":[],"usage":{},"error":{"message":"overloaded"}}\n\n'],
    ['a list', 'data: [{"choices":[],"usage":{}}]\n\n'],
    ['no JSON', 'data: {"choices":[],"usage":{}\n\n'],
    ['something behind the object', 'data: {"choices":[],"usage":{}} {}\n\n'],
    ['another field', 'date: {"choices":[],"usage":{}}\n\ndataset: {"choices":[],"usage":{}}\n\n'],
    ['data without a colon', 'data\n\ndat\n\n'],
    ['comments and empty lines', ': OPENROUTER PROCESSING\n\n\n\n: again\r\n\r\n'],
    ['half of the event', 'data: {"choices":[],"usage":{"prompt_to'],
    ['text that is no event stream', '<html>bad gateway</html>'],
    ['nothing', ''],
  ])('%s', (_, came) => {
    expect(whole(came)).toBe(came)
    expect(bytewise(came)).toBe(came)
  })

  test('a chunk that stays whole is handed on as it is', () => {
    const chunk = Buffer.from(content + content)
    expect(filtered([chunk])[0]).toBe(chunk)
  })

  test('an event that is too long to be it is not held on to', () => {
    const filter = new WithoutUsageEvent()
    const long = Buffer.from(`data: {"choices":[],"usage":{"x":"${'x'.repeat(70_000)}`)
    expect(filter.push(long)).toHaveLength(long.length)
    expect(filter.push(Buffer.from('"}}\n\n')).toString()).toBe('"}}\n\n')
    expect(filter.push(Buffer.from(usage))).toHaveLength(0)
  })
})

test('every split of a stream', () => {
  const body = Buffer.from(
    `: hello\r\n\r\n${content}data: {"choices":[{"delta":{"content":"Zoë 🦆"}}]}\r\n\r\n${usage.replaceAll('\n', '\r\n')}${done}`,
  )
  const left = Buffer.from(body.toString().replace(/data: [^\n]*prompt_tokens[^\n]*\n\r\n/, ''))
  expect(left.length).toBe(body.length - usage.length - 2)
  for (const { name, pieces } of splitsOf(body)) expect(Buffer.concat(filtered(pieces)).equals(left), name).toBe(true)
})

// Streams made of pieces, of each of which is known after how many of its bytes it cannot be the event any more: from there on nothing
// of it may be held back, and before that nothing may be let out.
interface Piece {
  readonly text: string
  readonly clearAfter: number
  readonly isUsage: boolean
}
const passing = (text: string): Piece => ({ text, clearAfter: 0, isUsage: false })
/** The character after `marker` clears it. */
const clearedBehind = (text: string, marker: string): Piece => ({
  text,
  clearAfter: Buffer.byteLength(text.slice(0, text.indexOf(marker) + marker.length + 1)),
  isUsage: false,
})
/** Cleared, or not, by the first byte that makes its blank line. */
const clearAtEnd = (text: string, isUsage: boolean): Piece => ({
  text,
  clearAfter: Buffer.byteLength(text) - (text.endsWith('\r\n') ? 1 : 0),
  isUsage,
})

const newline = fc.constantFrom('\n', '\r\n', '\r')
const json = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => JSON.stringify(text))
const space = fc.constantFrom('', ' ', '  ')
const lead = fc.constantFrom('data:', 'data: ', 'event: message\ndata: ', 'id: 1\ndata: ')
const piece: fc.Arbitrary<Piece> = fc
  .record({ nl: newline, text: json, gap: space, lead, kind: fc.nat(9) })
  .map(({ nl, text, gap, lead: line, kind }) => {
    const data = line.replaceAll('\n', nl)
    const end = nl + nl
    switch (kind) {
      case 0:
        return passing(`: ${text.replaceAll(/[\r\n]/g, '')}${end}`)
      case 1:
        // Alone, a comment belongs to no event; the next one begins behind it.
        return passing(`:${nl}`)
      case 2:
        return clearedBehind(`${data}[DONE]${end}`, data)
      case 3:
        return clearAtEnd(`${data}{"choices":[${gap}],"id":${text}}${end}`, false)
      case 4:
        return clearedBehind(`${data}{"id":${text},"choices":[],"usage":${gap}null}${end}`, `"usage":${gap}`)
      case 5:
        return clearAtEnd(`${data}{"id":${text},"choices":${gap}[${gap}],"usage":{"a":[${text}],"choices":[1]}}${end}`, true)
      case 6:
        return clearAtEnd(`${data}{"choices":[],"usage":{"id":${text}}${end}`, false)
      default:
        return clearedBehind(
          `${data}{"id":${text},"choices":[${gap}{"delta":{"content":${text}}}],"usage":null}${end}`,
          `"choices":[${gap}`,
        )
    }
  })

test('any stream in any pieces: all but that event, and nothing later than it must be', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 30 }),
      fc.boolean(),
      (pieces, cuts, tiny) => {
        const body = Buffer.from(pieces.map(({ text }) => text).join(''))
        const at = tiny
          ? Array.from(body, (_, i) => i)
          : [...new Set(cuts.map((cut) => Math.min(cut, body.length)))].sort((a, b) => a - b)
        const lengths = pieces.map(({ text }) => Buffer.byteLength(text))
        const removed = pieces.findIndex(({ isUsage }) => isUsage)
        /** How much must have come out when `came` bytes have come in, from the pieces alone. */
        const due = (came: number): number => {
          let sum = 0
          let start = 0
          for (const [i, { clearAfter }] of pieces.entries()) {
            const length = lengths[i] as number
            const have = Math.max(0, Math.min(came - start, length))
            const clear = removed >= 0 && i > removed ? 0 : clearAfter
            if (i !== removed && have >= clear) sum += have
            start += length
          }
          return sum
        }
        const kept = Buffer.from(
          pieces
            .filter((_, i) => i !== removed)
            .map(({ text }) => text)
            .join(''),
        )
        const filter = new WithoutUsageEvent()
        const out: Buffer[] = []
        let [from, outBytes] = [0, 0]
        for (const to of [...at, body.length]) {
          const now = filter.push(body.subarray(from, to))
          out.push(now)
          outBytes += now.length
          from = to
          if (outBytes !== due(to)) throw new Error(`${outBytes} bytes are out after ${to}, not ${due(to)}.`)
        }
        out.push(filter.end())
        expect(Buffer.concat(out).equals(kept)).toBe(true)
      },
    ),
    { numRuns: runs },
  )
})
