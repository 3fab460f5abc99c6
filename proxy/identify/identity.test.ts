import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WeirError } from '../../core/errors.js'
import { fingerprinter } from './fingerprint.js'
import { readOwnHeaders } from './identity.js'
import { headerText } from './own-values.js'
import { headerReader } from './read-headers.js'
import { readTraceparent } from './traceparent.js'

const rules = {
  strictHelicone: false,
  isProvider: (name: string) => name === 'anthropic' || name === 'openai',
}
const read = (headers: Record<string, string | string[]>, strictHelicone = false) => {
  const raw = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((one) => [name, one]),
  )
  return readOwnHeaders(headerReader()(raw).own, { ...rules, strictHelicone })
}
const refusal = (headers: Record<string, string | string[]>): WeirError => {
  try {
    read(headers)
  } catch (cause) {
    if (cause instanceof WeirError) return cause
    throw cause
  }
  throw new Error('It was not refused.')
}

describe('who called', () => {
  test('every identity header, in either dialect and any case', () => {
    for (const prefix of ['Weir-', 'helicone-', 'HELICONE-']) {
      const { identity, warnings } = read({
        [`${prefix}User-Id`]: ' ada ',
        [`${prefix}Session-Id`]: 's1',
        [`${prefix}Session-Name`]: 'trip',
        [`${prefix}Session-Path`]: '/plan//book/',
        [`${prefix}Property-Feature`]: 'search',
        [`${prefix}Request-Id`]: '0192E4A0-0000-7000-8000-000000000001',
        [`${prefix}Prompt-Id`]: 'p1',
        [`${prefix}Model-Override`]: 'gpt-5',
        [`${prefix}Omit-Request`]: 'TRUE',
        [`${prefix}Omit-Response`]: 'false',
      })
      expect(identity).toMatchObject({
        userId: 'ada',
        sessionId: 's1',
        sessionName: 'trip',
        sessionPath: '/plan/book',
        properties: { feature: 'search' },
        clientRequestId: '0192e4a0-0000-7000-8000-000000000001',
        promptId: 'p1',
        modelOverride: 'gpt-5',
        omitRequest: true,
        omitResponse: false,
      })
      expect(warnings).toEqual([])
    }
  })

  test('a session without a path begins at /', () => {
    expect(read({ 'Weir-Session-Id': 's' }).identity.sessionPath).toBe('/')
    expect(read({}).identity.sessionPath).toBeNull()
  })

  test('both dialects at once: Weir wins, and says so', () => {
    for (const order of [
      { 'Weir-User-Id': 'a', 'Helicone-User-Id': 'b' },
      { 'Helicone-User-Id': 'b', 'Weir-User-Id': 'a' },
    ]) {
      const { identity, warnings } = read(order)
      expect(identity.userId).toBe('a')
      expect(warnings).toEqual(['shadowed;h="helicone-user-id"'])
    }
  })

  test('an empty value is an absent one', () => expect(read({ 'Weir-User-Id': '  ' }).identity.userId).toBeNull())
  test('tags are a list', () => expect(read({ 'Weir-Tags': ['a, "b, c"', 'd'] }).identity.tags).toEqual(['a', 'b, c', 'd']))
  test('a provider key is known by its provider', () =>
    expect([...read({ 'Weir-Anthropic-Key': 'Bearer sk-ant-1' }).providerKeys]).toEqual([['anthropic', 'sk-ant-1']]))
})

describe('text', () => {
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
  test.each([
    ['UTF-8 bytes', latin1('Zoë 漢'), 'Zoë 漢'],
    ['ISO-8859-1, where UTF-8 fails', 'Zo\u00eb', 'Zoë'],
    ['an RFC 8187 value', "UTF-8''Zo%C3%AB", 'Zoë'],
    ['percent signs elsewhere stay', 'a%20b', 'a%20b'],
  ])('%s', (_, sent, meant) => expect(headerText(sent)).toBe(meant))
  test.each(["UTF-8''a%0Ab", "UTF-8''%zz", 'a\tb'])('%s is bad', (sent) => expect(headerText(sent)).toBeNull())
  test('never a control character, whatever comes', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (sent) => !/[\0-\x1f\x7f]/.test(headerText(sent) ?? '')))
  })
})

describe('bad values', () => {
  test.each([
    ['Weir-User-Id', 'x'.repeat(257)],
    ['Weir-Session-Path', 'plan'],
    ['Weir-Request-Id', 'abc'],
    ['Weir-Omit-Request', 'yes'],
    ['Weir-Durability', 'off'],
    ['Weir-Tags', 'a,,b'],
    ['Weir-Property-A', 'x'.repeat(1025)],
    ['Weir-Auth', 'Bearer a b'],
  ])('%s: 400 that names header and grammar', (name, value) => {
    const { code, message, param } = refusal({ [name]: value })
    expect([code, param]).toEqual(['bad_header', name])
    expect(message).toContain(`${name}: accepted is `)
  })
  test('sent twice', () => expect(refusal({ 'Weir-User-Id': ['a', 'b'] }).code).toBe('bad_header'))
  test('in Helicone\u2019s spelling it is passed over with a warning', () => {
    const { identity, warnings } = read({
      'Helicone-Request-Id': 'abc',
      'Helicone-Property-Long': 'x'.repeat(1025),
      'Helicone-Session-Path': 'plan',
    })
    expect(identity.clientRequestId).toBeNull()
    expect(identity.properties.long).toHaveLength(1024)
    expect(identity.sessionPath).toBe('/plan')
    expect(warnings).toEqual([
      'capped;h="helicone-property-long"',
      'bad-value;h="helicone-session-path"',
      'bad-value;h="helicone-request-id"',
    ])
  })
  test('but a 400 where the operator wants it strict', () =>
    expect(() => read({ 'Helicone-Request-Id': 'abc' }, true)).toThrow(/accepted is a UUID/))
  test('65 properties', () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`Weir-Property-p${i}`, 'x']))
    expect(refusal(many).code).toBe('bad_header')
  })
  test('an unknown name: 400 with the nearest known one', () => {
    const { code, message } = refusal({ 'Weir-Omit-Requst': 'true' })
    expect(code).toBe('unknown_header')
    expect(message).toContain('Weir-Omit-Request')
  })
  test('a reserved name', () => expect(refusal({ 'Weir-Budget': '5' }).code).toBe('reserved_header'))
  test('an unknown name in Helicone\u2019s spelling', () =>
    expect(read({ 'Helicone-Foo': 'x' }).warnings).toEqual(['unknown-header;h="helicone-foo"']))
  test('a header of a later version is taken, without effect and not in silence', () => {
    expect(read({ 'Weir-Redact': 'card' }).warnings).toEqual(['ignored;h="weir-redact"'])
  })
})

describe('traceparent', () => {
  test('a valid one', () =>
    expect(readTraceparent('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')).toEqual({
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      parentSpanId: '00f067aa0ba902b7',
      sampled: true,
    }))
  test.each([
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
    'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x',
    '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01',
    'x',
  ])('%s counts as none', (value) => expect(readTraceparent(value)).toBeNull())
})

test('a fingerprint is stable, and another under another secret', () => {
  const one = fingerprinter(Buffer.alloc(32, 1))
  expect(one('k')).toBe(one('k'))
  expect(one('k')).toMatch(/^[0-9a-f]{12}$/)
  expect(fingerprinter(Buffer.alloc(32, 2))('k')).not.toBe(one('k'))
})
